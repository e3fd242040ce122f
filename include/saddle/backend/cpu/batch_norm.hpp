#pragma once
#include "saddle/backend/cpu/group_norm.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// Per-channel sums of one block, in double.
struct channel_moments {
    double count = 0, mean = 0, deviations = 0;  ///< deviations: sum of squared distances to the mean

    /// Joins the moments of further values (Chan, Golub & LeVeque 1979).
    void merge(const channel_moments& other) {
        if (other.count == 0) return;
        const double total = count + other.count, distance = other.mean - mean;
        mean += distance * other.count / total;
        deviations += other.deviations + distance * distance * count * other.count / total;
        count = total;
    }
};

namespace detail {

template <class V>
[[nodiscard]] inline double sum_valid(const V& v, std::size_t valid) {
    alignas(64) typename V::value_type values[V::size];
    v.store_aligned(values);
    double sum = 0;
    for (std::size_t i = 0; i < valid; ++i) sum += values[i];
    return sum;
}

}  // namespace detail

/// Moments of one channel over the first `valid` lanes of a block.
template <class V, class T>
[[nodiscard]] channel_moments moments_of(block<const T> channel, std::size_t valid) {
    channel_moments m;
    m.count = static_cast<double>(channel.shape.size() * valid);
    V sum(T(0));
    for_each_register<V>(
        channel.shape, [&](std::size_t, const T* in) { sum += V::load_aligned(in); }, channel);
    m.mean = detail::sum_valid(sum, valid) / m.count;
    const V mean(static_cast<T>(m.mean));
    V squares(T(0)), rest(T(0));
    for_each_register<V>(
        channel.shape,
        [&](std::size_t, const T* in) {
            const V d = V::load_aligned(in) - mean;
            squares = multiply_add(d, d, squares);
            rest += d;
        },
        channel);
    const double shift = detail::sum_valid(rest, valid) / m.count;
    m.mean = static_cast<double>(static_cast<T>(m.mean)) + shift;
    m.deviations = detail::sum_valid(squares, valid) - shift * shift * m.count;
    return m;
}

/// Σ dy and Σ dy·(x − mean) of one channel over the first `valid` lanes.
struct channel_slopes {
    double sum = 0, product = 0;
};
template <class V, class T>
[[nodiscard]] channel_slopes slopes_of(block<const T> x, block<const T> dy, double mean, std::size_t valid) {
    const V centre(static_cast<T>(mean));
    V sum(T(0)), product(T(0));
    for_each_register<V>(
        x.shape,
        [&](std::size_t, const T* in, const T* g) {
            sum += V::load_aligned(g);
            product = multiply_add(V::load_aligned(g), V::load_aligned(in) - centre, product);
        },
        x, dy);
    return {detail::sum_valid(sum, valid), detail::sum_valid(product, valid)};
}

/// A batch norm over the batch at hand: moments of the forward pass, and what the backward pass needs per channel.
template <class T>
struct batch_norm_state {
    std::vector<channel_moments> moments;
    std::vector<T> scale, shift;             ///< y = scale·x + shift
    std::vector<T> slope, slope_x, slope_1;  ///< dx = slope·dy + slope_x·x + slope_1

    void prepare_forward(const T* weight, const T* bias, double epsilon) {
        const std::size_t channels = moments.size();
        scale.resize(channels);
        shift.resize(channels);
        for (std::size_t c = 0; c < channels; ++c) {
            const double inverse = 1 / std::sqrt(moments[c].deviations / moments[c].count + epsilon);
            scale[c] = static_cast<T>(weight[c] * inverse);
            shift[c] = static_cast<T>(bias[c] - moments[c].mean * weight[c] * inverse);
        }
    }
    /// `sums` are over the whole batch. Adds the gradients of weight and bias.
    void prepare_backward(const std::vector<channel_slopes>& sums, const T* weight, double epsilon, T* weight_gradient,
                          T* bias_gradient) {
        const std::size_t channels = moments.size();
        slope.resize(channels);
        slope_x.resize(channels);
        slope_1.resize(channels);
        for (std::size_t c = 0; c < channels; ++c) {
            const auto& m = moments[c];
            const double inverse = 1 / std::sqrt(m.deviations / m.count + epsilon);
            const double a = weight[c] * inverse, b = -a * inverse * inverse * sums[c].product / m.count;
            slope[c] = static_cast<T>(a);
            slope_x[c] = static_cast<T>(b);
            slope_1[c] = static_cast<T>(-a * sums[c].sum / m.count - b * m.mean);
            weight_gradient[c] += static_cast<T>(sums[c].product * inverse);
            bias_gradient[c] += static_cast<T>(sums[c].sum);
        }
    }
    /// running = (1 - momentum)·running + momentum·batch, the variance unbiased.
    void update_running(T* mean, T* variance, T* batches, double momentum) const {
        for (std::size_t c = 0; c < moments.size(); ++c) {
            const auto& m = moments[c];
            mean[c] = static_cast<T>((1 - momentum) * mean[c] + momentum * m.mean);
            variance[c] = static_cast<T>((1 - momentum) * variance[c] + momentum * m.deviations / (m.count - 1));
        }
        *batches += T(1);
    }
};

/// dx = slope·dy + slope_x·x + slope_1 on the first `valid` lanes, 0 on the others.
template <class V, class T>
void batch_norm_backward(const batch_norm_state<T>& state, block<const T> x, block<const T> dy, std::size_t valid,
                         gradient_action action, block<T> dx) {
    alignas(64) T flags[V::size];
    for (std::size_t i = 0; i < V::size; ++i) flags[i] = i < valid ? T(1) : T(0);
    const V live = V::load_aligned(flags);
    for_each_register<V>(
        x.shape,
        [&](std::size_t c, const T* in, const T* above, T* below) {
            const V rest = multiply_add(V::broadcast(state.slope_x[c]), V::load_aligned(in), V::broadcast(state.slope_1[c]));
            leave<V>(action, below, in, live * multiply_add(V::broadcast(state.slope[c]), V::load_aligned(above), rest));
        },
        x, dy, dx);
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
