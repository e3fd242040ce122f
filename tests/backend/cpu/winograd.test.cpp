#include "saddle/backend/cpu/winograd.hpp"

#include "saddle/core/random.hpp"
#include "support/catch.hpp"

using namespace saddle;
using namespace saddle::cpu_backend;

namespace {

constexpr std::size_t inputs = 20, outputs = 12;

/// A convolution in one direction by Winograd and by plain sums in double, for an output of `output`; the largest difference over the
/// largest sum.
template <class T>
double relative_error(extents output, std::ptrdiff_t padding) {
    using V = lanes<T>;
    constexpr std::size_t l = V::size;
    const auto grown = static_cast<std::size_t>(2 * padding);
    const extents image{inputs, output.height + 2 - grown, output.width + 2 - grown};
    layout in{.shape = image};
    layout out{.shape = {outputs, output.height, output.width}};
    reserve_winograd_border(padding, in, out.shape);
    auto w = plan_winograd(padding, in, out, out.shape, l, tile_sums<V>);
    std::size_t used = 0;
    reserve_weights(w, used);

    const random_stream draws({.seed = 7});
    const auto weight = [&](std::size_t o, std::size_t i, std::size_t k) {
        return draws.uniform(1, (o * inputs + i) * 9 + k) - .5;
    };
    lane_vector<T> x(in.size() * l), y(out.size() * l), packed(used), scratch(w.scratch(l));
    const auto at = [&](std::size_t c, std::ptrdiff_t row, std::ptrdiff_t column) {
        return static_cast<std::size_t>(in.position(c, row, column)) * l;
    };
    for (std::size_t c = 0; c < inputs; ++c)
        for (std::size_t r = 0; r < image.height; ++r)
            for (std::size_t s = 0; s < image.width; ++s)
                for (std::size_t lane = 0; lane < l; ++lane) {
                    const std::size_t to = at(c, static_cast<std::ptrdiff_t>(r), static_cast<std::ptrdiff_t>(s)) + lane;
                    x[to] = static_cast<T>(draws.uniform(2, to));
                }
    pack_winograd(w, packed.data(), weight);
    for (std::size_t o = 0; o < outputs; ++o) packed[w.bias + o] = static_cast<T>(o);
    run_winograd<V>(w, x.data(), packed.data(), epilogue<T>{.output = y.data()}, scratch.data());

    double worst = 0, largest = 0;
    for (std::size_t o = 0; o < outputs; ++o)
        for (std::size_t r = 0; r < out.shape.height; ++r)
            for (std::size_t s = 0; s < out.shape.width; ++s)
                for (const std::size_t lane : {std::size_t{0}, l - 1}) {
                    double sum = static_cast<double>(o);
                    for (std::size_t c = 0; c < inputs; ++c)
                        for (std::size_t k = 0; k < 9; ++k) {
                            const auto row = static_cast<std::ptrdiff_t>(r + k / 3) - padding;
                            const auto column = static_cast<std::ptrdiff_t>(s + k % 3) - padding;
                            if (row >= 0 && column >= 0 && row < static_cast<std::ptrdiff_t>(image.height) &&
                                column < static_cast<std::ptrdiff_t>(image.width))
                                sum += static_cast<double>(weight(o, c, k)) * x[at(c, row, column) + lane];
                        }
                    const std::size_t place = (o * out.shape.height + r) * out.shape.width + s;
                    worst = std::max(worst, std::abs(sum - static_cast<double>(y[place * l + lane])));
                    largest = std::max(largest, std::abs(sum));
                }
    return worst / largest;
}

void check_agreement(extents output, double tolerance) {
    for (const std::ptrdiff_t padding : {0, 1, 2}) {
        INFO(output.height << "x" << output.width << ", padding " << padding);
        CHECK(relative_error<double>(output, padding) < 1e-14);
        CHECK(relative_error<float>(output, padding) < tolerance);
    }
}

}  // namespace

TEST_CASE("tiles of 2x2 agree with plain sums", "[backend]") { check_agreement({0, 4, 5}, 1e-6); }

TEST_CASE("tiles of 4x4 agree with plain sums", "[backend]") { check_agreement({0, 7, 12}, 2e-6); }

TEST_CASE("tiles of 5x5 agree with plain sums", "[backend]") { check_agreement({0, 9, 10}, 4e-6); }

TEST_CASE("tiles of 5 and 4 side by side agree with plain sums", "[backend]") { check_agreement({0, 18, 18}, 4e-6); }

TEST_CASE("large layers stream the planes once, small ones keep groups of output channels in the cache", "[backend]") {
    const auto group = [](std::size_t channels) {
        const layout tensor{.shape = {channels, 8, 8}};
        return plan_winograd(1, tensor, tensor, tensor.shape, 16, 24).parts.front().group;
    };
    CHECK(group(512) == 512);
    CHECK(group(32) < 32);
}
