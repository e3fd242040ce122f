#include "saddle/backend/cuda/convolution.cuh"
#include "saddle/backend/cuda/pointwise.cuh"
#include "saddle/core/philox.hpp"
#include "support/catch.hpp"

#include <tuple>
#include <vector>

using namespace saddle;
using namespace saddle::cuda;

using precisions = std::tuple<saddle::cuda::fp32, saddle::cuda::tf32, saddle::cuda::bf16>;

namespace {

/// Values in [-1,1), as the storage type has them.
template <class T>
std::vector<T> random_values(std::size_t count, std::uint64_t which) {
    const random_stream draws({.seed = 9});
    std::vector<T> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(2 * draws.uniform(which, i) - 1);
    return values;
}
template <class T>
double number(T v) {
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

/// One tile's kernel against plain sums, with every part of the epilogue.
template <class Precision, std::size_t Tile, bool Sliced = false>
void check_tile(const convolution_shape& s, std::size_t lanes) {
    using S = typename Precision::storage;
    const std::size_t pixels = static_cast<std::size_t>(s.height * s.width),
                      source = static_cast<std::size_t>(s.source_height * s.source_width);
    const auto inputs = static_cast<std::size_t>(s.inputs), outputs = static_cast<std::size_t>(s.outputs);
    const auto x = random_values<S>(inputs * source * lanes, 0);
    const auto raw = random_values<float>(inputs * outputs * static_cast<std::size_t>(s.taps()), 1);
    const auto bias = random_values<float>(outputs, 2), scale = random_values<float>(outputs, 3);
    const auto addend = random_values<S>(outputs * pixels * lanes, 4), mask = random_values<S>(outputs * pixels * lanes, 5);
    std::vector<S> packed(packed_size(s)), second(outputs * pixels * lanes);
    launch_pack<Precision>(nullptr, raw.data(), nullptr, s, packed.data());

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
        cuda::detail::launch_tile<Precision, Tile, Sliced>(nullptr, s, x.data(), packed.data(), e, lanes);
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
    INFO(Precision::name << " tile " << Tile << " backward " << s.backward);
    CHECK(worst <= tolerance<Precision> * largest);
    CHECK(worst_second <= 2 * tolerance<Precision> * largest);
}

convolution_pair padded(std::size_t inputs, std::size_t outputs) { return {{3, 3, 1, 1}, {inputs, 2, 3}, {outputs, 2, 3}}; }
convolution_pair strided(std::size_t inputs, std::size_t outputs) { return {{3, 2, 2, 1}, {inputs, 3, 4}, {outputs, 2, 3}}; }

}  // namespace

TEST_CASE("every tile of the convolution sums its taps and finishes them", "[cuda][kernels]") {
    check_tile<fp32, 4>(padded(5, 9).forward, 64);
    check_tile<fp32, 3>(strided(17, 33).backward, 64);
    check_tile<fp32, 2>(padded(18, 65).forward, 64);
    check_tile<fp32, 1>(padded(4, 66).forward, 128);
    check_tile<fp32, 0>(strided(4, 130).forward, 128);
    check_tile<tf32, 4>(strided(18, 9).forward, 64);
    check_tile<tf32, 3>(padded(17, 40).backward, 64);
    check_tile<tf32, 2>(strided(5, 65).backward, 64);
    check_tile<tf32, 1>(padded(5, 20).forward, 128);
    check_tile<tf32, 0>(padded(5, 20).forward, 128);
    check_tile<bf16, 4>(strided(33, 9).backward, 64);
    check_tile<bf16, 3>(padded(40, 33).forward, 64);
    check_tile<bf16, 2>(padded(9, 65).forward, 64);
    check_tile<bf16, 1>(strided(9, 20).forward, 128);
    check_tile<bf16, 0>(padded(9, 20).forward, 128);
}

TEST_CASE("slices of a layer's products add up to the same sums", "[cuda][kernels]") {
    const convolution_pair dense({1, 1, 1, 0}, {300, 1, 1}, {20, 1, 1});
    check_tile<fp32, 4, true>(dense.forward, 64);
    check_tile<tf32, 3, true>(dense.forward, 64);
    check_tile<bf16, 2, true>(dense.forward, 64);
    check_tile<tf32, 4, true>(padded(37, 9).forward, 64);
    check_tile<bf16, 4, true>(strided(70, 9).backward, 64);
    check_tile<fp32, 4, true>(convolution_pair({1, 1, 1, 0}, {20, 1, 1}, {5, 1, 1}).forward, 64);  // fewer steps than slices
}

TEMPLATE_LIST_TEST_CASE("weight gradients are sums over pixels and lanes", "[cuda][kernels]", precisions) {
    using S = typename TestType::storage;
    constexpr std::size_t lanes = 64;
    for (const auto& pair : {padded(3, 20), padded(40, 20), strided(70, 17), padded(131, 130)}) {
        const auto& s = pair.forward;
        const auto inputs = static_cast<std::size_t>(s.inputs), outputs = static_cast<std::size_t>(s.outputs);
        const std::size_t pixels = static_cast<std::size_t>(s.height * s.width),
                          source = static_cast<std::size_t>(s.source_height * s.source_width);
        const auto x = random_values<S>(inputs * source * lanes, 0), dy = random_values<S>(outputs * pixels * lanes, 1);
        const auto taps = static_cast<std::size_t>(s.taps());
        const auto found = in_both_orders([&] {
            std::vector<float> partial(gradient_cut::of<TestType>(s, lanes).partial_size(s)),
                gradient(inputs * outputs * taps, .5f);
            launch_weight_gradient<TestType>(nullptr, s, x.data(), dy.data(), lanes, partial.data(), gradient.data());
            return gradient;
        });
        double worst = 0, largest = 0;
        for (std::size_t o = 0; o < outputs; ++o)
            for (std::size_t c = 0; c < inputs; ++c)
                for (std::size_t t = 0; t < taps; ++t) {
                    double sum = .5;
                    for (std::size_t p = 0; p < pixels; ++p) {
                        const int at =
                            s.pixel_of(static_cast<int>(p) / s.width, static_cast<int>(p) % s.width, static_cast<int>(t));
                        if (at < 0) continue;
                        for (std::size_t l = 0; l < lanes; ++l)
                            sum += number(x[(c * source + static_cast<std::size_t>(at)) * lanes + l]) *
                                   number(dy[(o * pixels + p) * lanes + l]);
                    }
                    largest = std::max(largest, std::abs(sum));
                    worst = std::max(worst, std::abs(sum - found[(o * inputs + c) * taps + t]));
                }
        CHECK(worst <= tolerance<TestType> * largest);
    }
}

TEST_CASE("sums over channels leave out the lanes past the last image", "[cuda][kernels]") {
    constexpr std::size_t lanes = 64, valid = 37;
    const extents shape{3, 2, 5};
    auto dy = random_values<float>(shape.size() * lanes, 0);
    std::vector<double> expected(shape.channels);
    for (std::size_t i = 0; i < dy.size(); ++i)
        if (i % lanes < valid)
            expected[i / (shape.pixels() * lanes)] += dy[i];
        else
            dy[i] = 1e30f;
    const auto found = in_both_orders([&] {
        std::vector<sum_pair> partial(shape.channels * 64);
        std::vector<float> sums(shape.channels);
        const auto parts = launch_channel_sums(nullptr, "sums", shape, lanes, valid, bias_sums<float>{dy.data()}, partial.data());
        launch(nullptr, add_channel_sums<>, {.operation = "sums"}, static_cast<const sum_pair*>(partial.data()), 3,
               static_cast<int>(parts), sums.data(), static_cast<float*>(nullptr));
        return sums;
    });
    for (std::size_t c = 0; c < shape.channels; ++c) CHECK(found[c] == Approx(expected[c]).epsilon(1e-5));
}
