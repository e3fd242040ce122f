#pragma once
#include "saddle/training/optimizer.hpp"

namespace saddle {

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
        using std::sqrt;
        ++s.updates;
        const double t = static_cast<double>(s.updates);
        const T mean_weight = static_cast<T>(1 - beta1), keep = static_cast<T>(beta2), square_weight = static_cast<T>(1 - beta2);
        const T correction = static_cast<T>(std::sqrt(1 - std::pow(beta2, t))), tiny = static_cast<T>(epsilon);
        const T down = static_cast<T>(-rate / (1 - std::pow(beta1, t)));
        for (const auto& range : s.ranges) {
            const T decay = static_cast<T>(range.weight_decay);
            for_each_value<T, Arch>(pool, range.first, range.count, [&]<class V>(std::size_t i, width_of<V>) {
                const V p = read_values<V>(&parameters[i]);
                V g = read_values<V>(&gradient[i]);
                if (decay != 0) g = multiply_add(p, V(decay), g);
                const V before = read_values<V>(&s.mean[i]);
                const V m = multiply_add(V(mean_weight), g - before, before);
                const V v = multiply_add(g * V(square_weight), g, read_values<V>(&s.square[i]) * V(keep));
                write_values(&s.mean[i], m);
                write_values(&s.square[i], v);
                write_values(&parameters[i], p + (m * V(down)) / (sqrt(v) / V(correction) + V(tiny)));
            });
        }
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
