#pragma once
#include "saddle/training/optimizer.hpp"

namespace saddle {

/// The formula of an update by sgd, see ElementwiseOptimizer.
template <class T>
struct sgd_rule {
    static constexpr std::size_t kept = 1;
    T momentum, fresh, down;
    bool first, nesterov;

    template <class V>
    SADDLE_HOST_DEVICE V operator()(const V& p, V g, T decay, V (&m)[kept]) const {
        if (decay != 0) g = multiply_add(p, V(decay), g);
        if (momentum != 0) {
            m[0] = first ? g : multiply_add(g, V(fresh), m[0] * V(momentum));
            g = nesterov ? multiply_add(m[0], V(momentum), g) : m[0];
        }
        return multiply_add(g, V(down), p);
    }
};

/// Stochastic gradient descent with PyTorch's formulas (torch.optim.SGD): g += weight_decay·p; m = momentum·m + (1 -
/// dampening)·g, at the first update m = g; p -= rate·(nesterov ? g + momentum·m : m).
///
/// `decay_vectors` false spares parameters of one dimension (biases, normalisation) the weight decay. validate throws
/// invalid_argument.
struct sgd {
    double learning_rate = .1, momentum = 0, dampening = 0, weight_decay = 0;
    bool nesterov = false, decay_vectors = true;

    /// The running direction, as long as the parameters (empty without momentum), and how many updates were made.
    template <class T>
    struct state {
        std::vector<parameter_range> ranges;
        lane_vector<T> momentum;
        std::uint64_t updates = 0;

        template <class Archive>
        void fields(Archive&& archive) {
            archive("momentum", std::span<T>(momentum));
            archive("updates", updates);
        }
        [[nodiscard]] std::array<lane_vector<T>*, 1> arrays() { return {&momentum}; }
    };

    void validate(std::string_view where) const {
        detail::require_at_least_zero(learning_rate, where, "sgd learning_rate");
        detail::require_at_least_zero(momentum, where, "sgd momentum");
        detail::require_at_least_zero(weight_decay, where, "sgd weight_decay");
        require(std::isfinite(dampening), where, "sgd dampening", "a finite number", dampening);
        require(!nesterov || (momentum > 0 && dampening == 0), where, "sgd nesterov", "a momentum > 0 and no dampening with it",
                text("momentum ", momentum, ", dampening ", dampening));
    }

    template <class T>
    [[nodiscard]] state<T> start(const plan& p) const {
        return {make_ranges(p, weight_decay, decay_vectors), lane_vector<T>(momentum != 0 ? p.parameter_count : 0), 0};
    }

    template <class T, class Arch = xsimd::default_arch>
    void update(state<T>& s, std::span<T> parameters, std::span<const T> gradient, double rate, worker_pool& pool) const {
        apply_rule<T, Arch>(*this, s, parameters, gradient, rate, pool);
    }
    template <class T>
    [[nodiscard]] sgd_rule<T> rule(state<T>& s, double rate) const {
        return {static_cast<T>(momentum), static_cast<T>(1 - dampening), static_cast<T>(-rate), s.updates++ == 0, nesterov};
    }

    template <class V>
    void describe(V&& visit) const {
        visit("name", "sgd");
        visit("learning_rate", learning_rate);
        visit("momentum", momentum);
        visit("dampening", dampening);
        visit("weight_decay", weight_decay);
        visit("nesterov", nesterov);
        visit("decay_vectors", decay_vectors);
    }
};

}  // namespace saddle
