#include "saddle/certification/zonotope.hpp"

#include "device_networks.hpp"
#include "saddle/certification/cuda/device_zonotope.cuh"

using namespace saddle;
using namespace saddle::testing;

namespace {

/// Margins of every image and bounds of every node but the logits are the processor's in double.
template <class Network>
void check_zonotope_like_host(const zonotope& domain, soundness level, double radius, std::size_t images, std::uint64_t seed) {
    const auto m = random_model<Network>(seed);
    const box_batch batch(images, m.structure().input().size(), radius);
    both_devices<zonotope, small_model<Network>> both(m, domain, level);
    const auto found = both.device_margins(batch);
    const std::size_t lanes = both.device.bounds().lanes();
    for (std::size_t image = 0; image < images; ++image) {
        const auto expected = both.host_margins(batch, image);
        for (std::size_t j = 0; j < expected.size(); ++j) {
            INFO("image " << image << ", class " << j);
            CHECK(found[image * expected.size() + j] == Approx(expected[j]).epsilon(1e-9).margin(1e-9));
        }
        for (std::size_t i = 0; i + 1 < both.host.network.size(); ++i) {
            const auto shape = both.host.network[i].shape;
            const auto& known = both.host.analysis.interval(i);
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

/// Image i of a batch by itself.
box_batch only(const box_batch& batch, std::size_t i) {
    box_batch alone(0, batch.boxes[i].lower.size(), 0);
    alone.boxes = {batch.boxes[i]};
    alone.lower = batch.boxes[i].lower, alone.upper = batch.boxes[i].upper;
    alone.labels = {batch.labels[i]};
    return alone;
}

}  // namespace

TEMPLATE_TEST_CASE("the zonotope on the device has the processor's bounds", "[cuda][zonotope]", SADDLE_CERTIFIED_NETWORKS) {
    check_zonotope_like_host<TestType>({}, soundness::float_program, .05, 3, 5);
}

TEMPLATE_TEST_CASE("cut with intervals, the zonotope on the device has the processor's bounds", "[cuda][zonotope]",
                   SADDLE_CERTIFIED_NETWORKS) {
    check_zonotope_like_host<TestType>({.intersect = true}, soundness::exact_arithmetic, .1, 2, 6);
}

TEST_CASE("the zonotope on the device handles windows with padding, wide strides and several widths of tiles",
          "[cuda][zonotope]") {
    using wide = sequential<conv2d<18, 3, padding<2>, stride<3>>, relu, conv2d<20, 2, stride<2>, padding<1>>, relu, conv2d<34, 1>,
                            leaky_relu, flatten, linear<40>, relu, linear<4>>;
    check_zonotope_like_host<wide>({}, soundness::float_any_rounding, .1, 2, 4);
    using widths = sequential<conv2d<3, 1, stride<2>>, relu, conv2d<6, 2, window_width<3>, stride<2>, padding<1>>, relu,
                              avg_pool2d<2, stride<1>, padding<1>>, relu, flatten, linear<4>>;
    check_zonotope_like_host<widths>({}, soundness::float_program, .1, 2, 4);
    using overlapping =
        sequential<max_pool2d<3, stride<2>, padding<1>>, conv2d<4, 1>, sigmoid, max_pool2d<2, stride<1>>, flatten, linear<4>>;
    check_zonotope_like_host<overlapping>({}, soundness::float_program, .05, 2, 4);
}

TEST_CASE("generators that several layers read stay for all of them on the device", "[cuda][zonotope]") {
    using network = sequential<conv2d<2, 1>, residual<sequential<relu, conv2d<2, 3, padding<1>>>>,
                               residual<sequential<normalize, leaky_relu, conv2d<2, 1>>>, flatten, residual<linear<112>>, relu,
                               flatten, linear<4>>;
    check_zonotope_like_host<network>({}, soundness::float_program, .1, 2, 4);
}

TEST_CASE("a network that ends with an activation is compared by its forms on the device, too", "[cuda][zonotope]") {
    using network = sequential<flatten, linear<6>, relu, linear<4>, leaky_relu>;
    for (const double radius : {.001, .05}) check_zonotope_like_host<network>({}, soundness::float_program, radius, 3, 3);
    using maps = sequential<conv2d<2, 2, stride<4>>, saddle::tanh>;  // 2·2·2 logits of a map
    check_zonotope_like_host<maps>({}, soundness::float_program, .05, 2, 3);
}

TEMPLATE_TEST_CASE("no point of a box gives the float program a margin below the zonotope's on the device", "[cuda][zonotope]",
                   SADDLE_CERTIFIED_NETWORKS) {
    const auto m = random_model<TestType>(1);
    for (const double radius : {0., 1e-6, .1}) {
        const box_batch batch(2, m.structure().input().size(), radius);
        both_devices<zonotope, small_model<TestType>> both(m, {}, soundness::float_program);
        const auto bound = both.device_margins(batch);
        for (std::size_t image = 0; image < 2; ++image) {
            const auto label = static_cast<std::size_t>(batch.labels[image]);
            const auto seen = sampled_margins(both.host.program, batch.boxes[image], label, 40, image);
            for (std::size_t j = 0; j < 4; ++j) CHECK((j == label || bound[image * 4 + j] <= seen[j]));
        }
    }
}

TEST_CASE("on the DeepPoly paper's example the zonotope's margin on the device is a quarter", "[cuda][zonotope]") {
    using network = sequential<linear<2>, relu, linear<2>, relu, linear<2>>;
    model<network, shape<2>, backend::cpu> m;
    const float weights[] = {1, 1, 1, -1, 0, 0, 1, 1, 1, -1, 0, 0, 1, 1, 0, 1, 1, 0};
    std::copy(std::begin(weights), std::end(weights), m.parameters().begin());
    both_devices<zonotope, decltype(m)> both(m, {}, soundness::exact_arithmetic);
    const float lower[] = {-1, -1}, upper[] = {1, 1};
    const int label = 0;
    double margin[2];
    both.device.reserve(64);
    both.device.margins(lower, upper, &label, 1, margin);
    CHECK(margin[0] == 0);
    CHECK(margin[1] == Approx(.25));
}

TEST_CASE("a residual's branches share their generators on the device", "[cuda][zonotope]") {
    using network = sequential<linear<2, no_bias>, residual<linear<2, no_bias>>>;
    model<network, shape<2>, backend::cpu> m;
    const float weights[] = {1, 2, 3, -1, -1, 0, 0, -1};  // the body undoes the identity: the sum is 0
    std::copy(std::begin(weights), std::end(weights), m.parameters().begin());
    both_devices<zonotope, decltype(m)> both(m, {}, soundness::exact_arithmetic);
    const float lower[] = {0, 0}, upper[] = {1, 1};
    const int label = 0;
    double margin[2];
    both.device.reserve(64);
    both.device.margins(lower, upper, &label, 1, margin);
    CHECK(margin[1] == Approx(0).margin(1e-15));
}

TEST_CASE("the zonotope on the device gives an image the same bits in any batch and order of threads", "[cuda][zonotope]") {
    using network = sequential<conv2d<3, 3, stride<3>>, relu, residual<conv2d<3, 3, padding<1>>>, relu, max_pool2d<2, stride<1>>,
                               flatten, linear<6>, sigmoid, linear<4>>;
    const auto m = random_model<network>(3);
    using kind = both_devices<zonotope, small_model<network>>;
    const box_batch batch(70, m.structure().input().size(), .1);
    kind wide(m, {}, soundness::float_program);
    const auto whole = wide.device_margins(batch);
    cuda_emulator::reverse_order = true;
    const auto reversed = wide.device_margins(batch);
    cuda_emulator::reverse_order = false;
    CHECK(reversed == whole);
    for (const std::size_t i : {0, 33, 69}) {
        kind one(m, {}, soundness::float_program);
        const auto margins = one.device_margins(only(batch, i));
        CHECK(std::equal(margins.begin(), margins.end(), whole.begin() + static_cast<std::ptrdiff_t>(4 * i)));
    }
}

TEST_CASE("the zonotope on the device takes fewer images at once where memory is short", "[cuda][zonotope]") {
    const auto m = random_model<dense>(3);
    using kind = both_devices<zonotope, small_model<dense>>;
    const box_batch batch(150, m.structure().input().size(), .1);
    kind wide(m, {}, soundness::float_program), narrow(m, {.memory = 2'000'000}, soundness::float_program);
    const auto whole = wide.device_margins(batch);
    CHECK(narrow.device_margins(batch) == whole);
    CHECK(wide.device.images_at_once() >= 150);
    CHECK(narrow.device.images_at_once() < 150);
    CHECK(narrow.device.images_at_once() > 1);
    CHECK(narrow.device.bytes() <= 2'000'000);
    CHECK(wide.device.bytes() > 2'000'000);
    kind crowded(m, {}, soundness::float_program);
    crowded.device.reserve(192);
    cuda_emulator::memory_limit = 2'000'000;
    const auto cramped = crowded.device_margins(batch);
    cuda_emulator::memory_limit = std::size_t(-1);
    CHECK(cramped == whole);
    CHECK(crowded.device.images_at_once() < 150);
    kind little(m, {.memory = 1000}, soundness::float_program);
    CHECK_THROWS_WITH(little.device_margins(batch), Catch::Matchers::Contains("memory for generators of one image"));
    CHECK_THROWS_AS(little.device_margins(batch), invalid_argument);
}

TEST_CASE("the zonotope on the device takes fewer images at once where its lists find no room, and names the batch to try",
          "[cuda][zonotope]") {
    const auto m = random_model<dense>(3);
    const std::size_t size = m.structure().input().size();
    const box_batch points(150, size, 0), batch(150, size, .1);
    using kind = both_devices<zonotope, small_model<dense>>;
    const auto whole = kind(m, {}, soundness::float_program).device_margins(batch);
    const auto with_lists_of = [&](std::size_t bytes, std::size_t lanes) {
        kind crowded(m, {}, soundness::float_program);
        crowded.device.reserve(lanes);
        crowded.device_margins(points);  // memory for coefficients, and none for lists
        cuda_emulator::memory_limit = bytes;
        const auto margins = crowded.device_margins(batch);
        cuda_emulator::memory_limit = std::size_t(-1);
        CHECK(crowded.device.images_at_once() < 150);
        CHECK(crowded.device.images_at_once() > 1);
        return margins;
    };
    CHECK(with_lists_of(40'000, 192) == whole);
    CHECK_THROWS_WITH(with_lists_of(10, 192), Catch::Matchers::Contains("generators of one image beside a batch of 192") &&
                                                  Catch::Matchers::Contains("try a batch of 128"));
    cuda_emulator::memory_limit = std::size_t(-1);
    kind narrow(m, {}, soundness::float_program);
    narrow.device_margins(only(points, 0));
    cuda_emulator::memory_limit = 10;
    CHECK_THROWS_WITH(narrow.device_margins(only(batch, 0)), Catch::Matchers::Contains("no smaller batch takes less"));
    cuda_emulator::memory_limit = std::size_t(-1);
    kind wide(m, {}, soundness::float_program);
    cuda_emulator::memory_limit = 100 * wide.device.bounds().bytes_per_lane();
    CHECK_THROWS_WITH(wide.device.reserve(192), Catch::Matchers::Contains("try a batch of"));
    cuda_emulator::memory_limit = std::size_t(-1);
}

TEST_CASE("pixels that no window reads leave a zonotope on the device where they are skipped", "[cuda][zonotope]") {
    using network = sequential<conv2d<3, 1, stride<2>>, relu, flatten, linear<4>>;
    const auto m = random_model<network>(3);
    box_batch batch(2, m.structure().input().size(), 0);
    const auto point = both_devices<zonotope, small_model<network>>(m, {}, soundness::float_program).device_margins(batch);
    batch.upper[7 + 1] += .125f;  // row 1, column 1
    both_devices<zonotope, small_model<network>> both(m, {}, soundness::float_program);
    CHECK(both.device_margins(batch) == point);
    CHECK(both.device.tiles() == 1);
}

TEST_CASE("only pixels that may change have generators on the device, and neighbours share tiles", "[cuda][zonotope]") {
    const auto m = random_model<strided>(3);
    both_devices<zonotope, small_model<strided>> both(m, {}, soundness::float_program);
    box_batch batch(1, m.structure().input().size(), 0);
    both.device_margins(batch);
    CHECK(both.device.tiles() == 0);
    batch.upper[17] += .125f;
    both.device_margins(batch);
    CHECK(both.device.tiles() > 0);
    CHECK(both.device.tiles() <= 4);
    for (auto& v : batch.upper) v += .125f;  // 112 generators of 56 pixels
    both.device_margins(batch);
    CHECK(both.device.tiles() <= 2 + 4 + 3 + 1);
}
