#pragma once
#include "saddle/backend/cuda/convolution.cuh"
#include "saddle/backend/cuda/weight_gradient.cuh"
#include "saddle/core/philox.hpp"
#include "support/catch.hpp"

#include <vector>

/// Checks of the kernels that run in the emulator.
namespace saddle::cuda {

/// Values in [-1,1), as the storage type has them.
template <class T>
[[nodiscard]] std::vector<T> random_values(std::size_t count, std::uint64_t which) {
    const random_stream draws({.seed = 9});
    std::vector<T> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(2 * draws.uniform(which, i) - 1);
    return values;
}
template <class T>
[[nodiscard]] double number(T v) {
    return static_cast<double>(static_cast<float>(v));
}

template <class Precision>
inline constexpr double tolerance = 1e-5;
template <>
inline constexpr double tolerance<tf32> = 2e-3;
template <>
inline constexpr double tolerance<bf16> = 8e-3;

/// Runs f in both orders of a block's threads; both must give the same bits.
template <class F>
auto in_both_orders(F&& f) {
    const auto forward = f();
    cuda_emulator::reverse_order = true;
    const auto reverse = f();
    cuda_emulator::reverse_order = false;
    REQUIRE(forward.size() == reverse.size());
    CHECK(std::memcmp(forward.data(), reverse.data(), forward.size() * sizeof forward[0]) == 0);
    return forward;
}

/// A convolution's kernel against plain sums, with every part of the epilogue; `run` gets source, packed weights and epilogue, `pack`
/// the weights [O,I,H,W].
template <class Precision, class Run, class Pack>
void check_convolution(const convolution_shape& s, std::size_t lanes, const Run& run, const Pack& pack) {
    using S = typename Precision::storage;
    const std::size_t pixels = static_cast<std::size_t>(s.height * s.width),
                      source = static_cast<std::size_t>(s.source_height * s.source_width);
    const auto inputs = static_cast<std::size_t>(s.inputs), outputs = static_cast<std::size_t>(s.outputs);
    const auto x = random_values<S>(inputs * source * lanes, 0);
    const auto raw = random_values<float>(inputs * outputs * static_cast<std::size_t>(s.taps()), 1);
    const auto bias = random_values<float>(outputs, 2), scale = random_values<float>(outputs, 3);
    const auto addend = random_values<S>(outputs * pixels * lanes, 4), mask = random_values<S>(outputs * pixels * lanes, 5);
    const std::vector<S> packed = pack(raw);
    std::vector<S> second(outputs * pixels * lanes);

    const auto found = in_both_orders([&] {
        std::vector<S> out(outputs * pixels * lanes);
        const epilogue<S> e{.out = out.data(),
                            .bias = bias.data(),
                            .addend = addend.data(),
                            .mask = mask.data(),
                            .relu = true,
                            .second = second.data(),
                            .second_scale = scale.data(),
                            .second_shift = bias.data(),
                            .second_relu = true};
        run(x.data(), packed.data(), e);
        return out;
    });
    double worst = 0, worst_second = 0, largest = 0;
    for (std::size_t o = 0; o < outputs; ++o)
        for (std::size_t p = 0; p < pixels; ++p)
            for (std::size_t l = 0; l < lanes; ++l) {
                double sum = bias[o];
                for (int t = 0; t < s.taps(); ++t) {
                    const int at = s.pixel_of(static_cast<int>(p) / s.width, static_cast<int>(p) % s.width, t);
                    if (at < 0) continue;
                    for (std::size_t c = 0; c < inputs; ++c) {
                        const std::size_t w = s.backward ? (c * outputs + o) : (o * inputs + c);
                        sum += number(x[(c * source + static_cast<std::size_t>(at)) * lanes + l]) *
                               raw[w * static_cast<std::size_t>(s.taps()) + static_cast<std::size_t>(t)];
                    }
                }
                const std::size_t i = (o * pixels + p) * lanes + l;
                sum += number(addend[i]);
                const double value = number(mask[i]) > 0 ? std::max(0., sum) : 0;
                largest = std::max(largest, std::abs(sum));
                worst = std::max(worst, std::abs(number(found[i]) - value));
                worst_second = std::max(worst_second, std::abs(number(second[i]) - std::max(0., value * scale[o] + bias[o])));
            }
    INFO(Precision::name << " backward " << s.backward);
    CHECK(worst <= tolerance<Precision> * largest);
    CHECK(worst_second <= 2 * tolerance<Precision> * largest);
}

/// The same with weights as launch_pack leaves them.
template <class Precision, class Run>
void check_convolution(const convolution_shape& s, std::size_t lanes, const Run& run) {
    check_convolution<Precision>(s, lanes, run, [&](const std::vector<float>& raw) {
        std::vector<typename Precision::storage> packed(packed_size(s));
        launch_pack<Precision>(nullptr, raw.data(), nullptr, s, packed.data());
        return packed;
    });
}

/// A weight gradient's kernels against plain sums; `run` gets x, dy and the gradient to add to. `s` is the forward convolution.
template <class Precision, class Run>
void check_weight_gradient(const convolution_shape& s, std::size_t lanes, const Run& run) {
    using S = typename Precision::storage;
    const auto inputs = static_cast<std::size_t>(s.inputs), outputs = static_cast<std::size_t>(s.outputs);
    const std::size_t pixels = static_cast<std::size_t>(s.height * s.width),
                      source = static_cast<std::size_t>(s.source_height * s.source_width);
    const auto x = random_values<S>(inputs * source * lanes, 0), dy = random_values<S>(outputs * pixels * lanes, 1);
    const auto taps = static_cast<std::size_t>(s.taps());
    const auto found = in_both_orders([&] {
        std::vector<float> gradient(inputs * outputs * taps, .5f);
        run(x.data(), dy.data(), gradient.data());
        return gradient;
    });
    double worst = 0, largest = 0;
    for (std::size_t o = 0; o < outputs; ++o)
        for (std::size_t c = 0; c < inputs; ++c)
            for (std::size_t t = 0; t < taps; ++t) {
                double sum = .5;
                for (std::size_t p = 0; p < pixels; ++p) {
                    const int at = s.pixel_of(static_cast<int>(p) / s.width, static_cast<int>(p) % s.width, static_cast<int>(t));
                    if (at < 0) continue;
                    for (std::size_t l = 0; l < lanes; ++l)
                        sum += number(x[(c * source + static_cast<std::size_t>(at)) * lanes + l]) *
                               number(dy[(o * pixels + p) * lanes + l]);
                }
                largest = std::max(largest, std::abs(sum));
                worst = std::max(worst, std::abs(sum - found[(o * inputs + c) * taps + t]));
            }
    CHECK(worst <= tolerance<Precision> * largest);
}

inline convolution_pair padded(std::size_t inputs, std::size_t outputs) {
    return {{3, 3, 1, 1}, {inputs, 2, 3}, {outputs, 2, 3}};
}
inline convolution_pair strided(std::size_t inputs, std::size_t outputs) {
    return {{3, 2, 2, 1}, {inputs, 3, 4}, {outputs, 2, 3}};
}

}  // namespace saddle::cuda
