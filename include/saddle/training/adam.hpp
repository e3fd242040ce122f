#pragma once
#include "saddle/training/optimizer.hpp"

namespace saddle {

/// The formula of an update by adam, see ElementwiseOptimizer.
template <class T>
struct adam_rule {
    static constexpr std::size_t kept = 2;  ///< mean, square
    T mean_weight, keep, square_weight, correction, tiny, down;

    template <class V>
    SADDLE_HOST_DEVICE V operator()(const V& p, V g, T decay, V (&moments)[kept]) const {
        using std::sqrt;
        if (decay != 0) g = multiply_add(p, V(decay), g);
        const V before = moments[0];
        moments[0] = multiply_add(V(mean_weight), g - before, before);
        moments[1] = multiply_add(g * V(square_weight), g, moments[1] * V(keep));
        return p + (moments[0] * V(down)) / (sqrt(moments[1]) / V(correction) + V(tiny));
    }
};

/// Adam (Kingma & Ba 2015) with PyTorch's formulas (torch.optim.Adam): g += weight_decay·p; m += (1 - beta1)(g - m);
/// v = beta2·v + (1 - beta2)·g²; p -= rate/(1 - beta1^t) · m / (sqrt(v)/sqrt(1 - beta2^t) + epsilon).
///
/// `decay_vectors` false spares parameters of one dimension (biases, normalisation) the weight decay. validate throws
/// invalid_argument.
struct adam {
    double learning_rate = 1e-3, beta1 = .9, beta2 = .999, epsilon = 1e-8, weight_decay = 0;
    bool decay_vectors = true;

    /// Running mean of the gradient and of its square, each as long as the parameters, and how many updates were made.
    template <class T>
    struct state {
        std::vector<parameter_range> ranges;
        lane_vector<T> mean, square;
        std::uint64_t updates = 0;

        template <class Archive>
        void fields(Archive&& archive) {
            archive("mean", std::span<T>(mean));
            archive("square", std::span<T>(square));
            archive("updates", updates);
        }
        [[nodiscard]] std::array<lane_vector<T>*, 2> arrays() { return {&mean, &square}; }
    };

    void validate(std::string_view where) const {
        detail::require_at_least_zero(learning_rate, where, "adam learning_rate");
        detail::require_fraction(beta1, where, "adam beta1");
        detail::require_fraction(beta2, where, "adam beta2");
        detail::require_at_least_zero(epsilon, where, "adam epsilon");
        detail::require_at_least_zero(weight_decay, where, "adam weight_decay");
    }

    template <class T>
    [[nodiscard]] state<T> start(const plan& p) const {
        return {make_ranges(p, weight_decay, decay_vectors), lane_vector<T>(p.parameter_count), lane_vector<T>(p.parameter_count),
                0};
    }

    template <class T, class Arch = xsimd::default_arch>
    void update(state<T>& s, std::span<T> parameters, std::span<const T> gradient, double rate, worker_pool& pool) const {
        apply_rule<T, Arch>(*this, s, parameters, gradient, rate, pool);
    }
    template <class T>
    [[nodiscard]] adam_rule<T> rule(state<T>& s, double rate) const {
        const double t = static_cast<double>(++s.updates);
        return {static_cast<T>(1 - beta1), static_cast<T>(beta2),
                static_cast<T>(1 - beta2), static_cast<T>(std::sqrt(1 - std::pow(beta2, t))),
                static_cast<T>(epsilon),   static_cast<T>(-rate / (1 - std::pow(beta1, t)))};
    }

    template <class V>
    void describe(V&& visit) const {
        visit("name", "adam");
        visit("learning_rate", learning_rate);
        visit("beta1", beta1);
        visit("beta2", beta2);
        visit("epsilon", epsilon);
        visit("weight_decay", weight_decay);
        visit("decay_vectors", decay_vectors);
    }
};

}  // namespace saddle
