#include "saddle/certification/deep_poly.hpp"
#include "device_networks.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

constexpr std::size_t input_size = 2 * 8 * 7;

/// Margins of every image and bounds of every node are the processor's in double.
template <class Network>
void check_like_host(const deep_poly& domain, soundness level, double radius, std::size_t images, std::uint64_t seed) {
    const auto m = random_model<Network>(seed);
    const box_batch batch(images, input_size, radius);
    both_devices<deep_poly, small_model<Network>> both(m, domain, level);
    const auto found = both.device_margins(batch);
    const std::size_t lanes = both.device.bounds().lanes();
    for (std::size_t image = 0; image < images; ++image) {
        const auto expected = both.host_margins(batch, image);
        for (std::size_t j = 0; j < expected.size(); ++j) {
            INFO("image " << image << ", class " << j);
            CHECK(found[image * expected.size() + j] == Approx(expected[j]).epsilon(1e-9).margin(1e-9));
        }
        for (std::size_t i = 0; i < both.host.network.size(); ++i) {
            const auto shape = both.host.network[i].shape;
            const auto& known = both.host.analysis.bounds().interval(i);
            std::vector<double> lo, hi;
            both.device.bounds().download(i, lo, hi);
            double worst = 0;
            for (std::size_t c = 0; c < shape.channels; ++c)
                for (std::size_t p = 0; p < shape.pixels(); ++p) {
                    const std::size_t here = (c * shape.pixels() + p) * lanes + image, there = p * shape.channels + c;
                    const double size = std::max({1., std::abs(known.lo[there]), std::abs(known.hi[there])});
                    worst = std::max(
                        {worst, std::abs(lo[here] - known.lo[there]) / size, std::abs(hi[here] - known.hi[there]) / size});
                }
            INFO("image " << image << ", node " << i);
            CHECK(worst < 1e-9);
        }
    }
}

}  // namespace

TEMPLATE_TEST_CASE("DeepPoly on the device has the processor's bounds", "[cuda][deep_poly]", SADDLE_CERTIFIED_NETWORKS) {
    check_like_host<TestType>({}, soundness::float_program, .05, 3, 5);
}

TEMPLATE_TEST_CASE("DeepPoly on the device has the processor's bounds for every rule of slopes", "[cuda][deep_poly]", pooled,
                   smooth) {
    for (const auto rule : {lower_slope::area, lower_slope::adaptive, lower_slope::zero, lower_slope::one, lower_slope::parallel})
        check_like_host<TestType>({.slope = rule, .bound_at = concretization::input}, soundness::exact_arithmetic, .1, 2, 6);
}

TEMPLATE_TEST_CASE("DeepPoly on the device takes hidden bounds from intervals where asked", "[cuda][deep_poly]", strided,
                   residual_network) {
    check_like_host<TestType>({.hidden = hidden_bounds::intervals}, soundness::float_any_rounding, .05, 2, 3);
}

TEST_CASE("DeepPoly on the device handles windows with padding, wide strides and several widths of tiles", "[cuda][deep_poly]") {
    using wide = sequential<conv2d<18, 3, padding<2>, stride<3>>, relu, conv2d<20, 2, stride<2>, padding<1>>, relu, conv2d<34, 1>,
                            leaky_relu, flatten, linear<40>, relu, linear<4>>;
    check_like_host<wide>({}, soundness::float_program, .1, 2, 4);
    using widths = sequential<conv2d<3, 1, stride<2>>, relu, conv2d<6, 2, window_width<3>, stride<2>, padding<1>>, relu,
                              avg_pool2d<2, stride<1>, padding<1>>, relu, flatten, linear<4>>;
    check_like_host<widths>({}, soundness::float_program, .1, 2, 4);
}

TEMPLATE_TEST_CASE("no point of a box gives the float program a margin below DeepPoly's on the device", "[cuda][deep_poly]",
                   SADDLE_CERTIFIED_NETWORKS) {
    const auto m = random_model<TestType>(1);
    for (const double radius : {1e-6, .02, .3}) {
        const box_batch batch(2, input_size, radius);
        both_devices<deep_poly, small_model<TestType>> both(m, {}, soundness::float_program);
        const auto bound = both.device_margins(batch);
        for (std::size_t image = 0; image < 2; ++image) {
            const auto label = static_cast<std::size_t>(batch.labels[image]);
            const auto seen = sampled_margins(both.host.program, batch.boxes[image], label, 40, image);
            for (std::size_t j = 0; j < 4; ++j) CHECK((j == label || bound[image * 4 + j] <= seen[j]));
        }
    }
}

TEST_CASE("DeepPoly on the device decides the paper's example as the processor does", "[cuda][deep_poly]") {
    using network = sequential<linear<2>, relu, linear<2>, relu, linear<2>>;
    model<network, shape<2>, backend::cpu> m;
    const float weights[] = {1, 1, 1, -1, 0, 0, 1, 1, 1, -1, 0, 0, 1, 1, 0, 1, 1, 0};
    std::copy(std::begin(weights), std::end(weights), m.parameters().begin());
    const float lower[] = {-1, -1}, upper[] = {1, 1};
    const int label = 0;
    const auto margin = [&](const deep_poly& domain, std::vector<double>* second_layer = nullptr) {
        both_devices<deep_poly, decltype(m)> both(m, domain, soundness::exact_arithmetic);
        double margins[2];
        both.device.reserve(64);
        both.device.margins(lower, upper, &label, 1, margins);
        if (second_layer) {
            std::vector<double> lo, hi;
            both.device.bounds().download(3, lo, hi);
            *second_layer = {lo[0], hi[0], lo[64], hi[64]};
        }
        return margins[1];
    };
    std::vector<double> bounds;
    CHECK(margin({.slope = lower_slope::adaptive, .bound_at = concretization::input}, &bounds) == Approx(1));
    CHECK(bounds[0] == Approx(0).margin(1e-12));
    CHECK(bounds[1] == Approx(3));
    CHECK(bounds[2] == Approx(-2));
    CHECK(bounds[3] == Approx(2));
    CHECK(margin({.slope = lower_slope::area, .bound_at = concretization::input}) == Approx(-1));
    CHECK(margin({.slope = lower_slope::area, .bound_at = concretization::all_nodes}) == Approx(1));
}

TEST_CASE("DeepPoly on the device gives an image the same bits in any batch, memory and order of threads", "[cuda][deep_poly]") {
    const auto m = random_model<strided>(3);
    const box_batch batch(70, input_size, .1);
    both_devices<deep_poly, small_model<strided>> wide(m, {}, soundness::float_program);
    const auto whole = wide.device_margins(batch);
    cuda_emulator::reverse_order = true;
    const auto reversed = wide.device_margins(batch);
    cuda_emulator::reverse_order = false;
    CHECK(reversed == whole);
    both_devices<deep_poly, small_model<strided>> narrow(m, {.memory = 160'000}, soundness::float_program);
    CHECK(narrow.device_margins(batch) == whole);
    for (const std::size_t i : {0, 33, 69}) {
        box_batch alone(0, input_size, .1);
        alone.lower.assign(batch.boxes[i].lower.begin(), batch.boxes[i].lower.end());
        alone.upper.assign(batch.boxes[i].upper.begin(), batch.boxes[i].upper.end());
        alone.labels = {batch.labels[i]};
        both_devices<deep_poly, small_model<strided>> one(m, {}, soundness::float_program);
        const auto margins = one.device_margins(alone);
        CHECK(std::equal(margins.begin(), margins.end(), whole.begin() + static_cast<std::ptrdiff_t>(4 * i)));
    }
}

TEST_CASE("DeepPoly on the device forms rows for open values alone", "[cuda][deep_poly]") {
    const auto m = random_model<dense>(3);
    both_devices<deep_poly, small_model<dense>> narrow(m, {}, soundness::float_program), broad(m, {}, soundness::float_program);
    narrow.device_margins(box_batch(1, input_size, 0));
    broad.device_margins(box_batch(1, input_size, .3));
    CHECK(narrow.device.tiles() == 1);
    CHECK(broad.device.tiles() > 1);
}

TEST_CASE("DeepPoly on the device refuses less memory than a tile of rows takes", "[cuda][deep_poly]") {
    const auto m = random_model<dense>(3);
    using kind = both_devices<deep_poly, small_model<dense>>;
    CHECK_THROWS_WITH(kind(m, {.memory = 20'000}, soundness::float_program),
                      Catch::Matchers::Contains("memory for one tile of 64 rows"));
}
