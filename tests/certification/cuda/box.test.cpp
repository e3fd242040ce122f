#include "saddle/certification/box.hpp"

#include "device_networks.hpp"

using namespace saddle;
using namespace saddle::testing;

TEMPLATE_TEST_CASE("Box on the device has the processor's margins", "[cuda][box]", SADDLE_CERTIFIED_NETWORKS) {
    for (const auto level : {soundness::exact_arithmetic, soundness::float_program}) {
        const auto m = random_model<TestType>(7);
        const box_batch batch(5, m.structure().input().size(), .1);
        both_devices<box, small_model<TestType>> both(m, {}, level);
        const auto found = both.device_margins(batch);
        for (std::size_t image = 0; image < 5; ++image) {
            const auto expected = both.host_margins(batch, image);
            for (std::size_t j = 0; j < 4; ++j) CHECK(found[image * 4 + j] == Approx(expected[j]).epsilon(1e-9).margin(1e-9));
        }
    }
}

TEMPLATE_TEST_CASE("Box on the device never exceeds what points of the box reach", "[cuda][box]", SADDLE_CERTIFIED_NETWORKS) {
    const auto m = random_model<TestType>(2);
    for (const double radius : {0., 1e-6, .1}) {
        const box_batch batch(3, m.structure().input().size(), radius);
        both_devices<box, small_model<TestType>> both(m, {}, soundness::float_program);
        const auto bound = both.device_margins(batch);
        for (std::size_t image = 0; image < 3; ++image) {
            const auto label = static_cast<std::size_t>(batch.labels[image]);
            const auto seen = sampled_margins(both.host.program, batch.boxes[image], label, 20, image);
            for (std::size_t j = 0; j < 4; ++j) CHECK((j == label || bound[image * 4 + j] <= seen[j]));
        }
    }
}

TEST_CASE("Box on the device folds the property into the last layer", "[cuda][box]") {
    using network = sequential<linear<2>, relu, linear<2>, relu, linear<2>>;
    model<network, shape<2>, backend::cpu> m;
    const float weights[] = {1, 1, 1, -1, 0, 0, 1, 1, 1, -1, 0, 0, 1, 1, 0, 1, 1, 0};  // the DeepPoly paper's example
    std::copy(std::begin(weights), std::end(weights), m.parameters().begin());
    both_devices<box, decltype(m)> both(m, {}, soundness::exact_arithmetic);
    const float lower[] = {-1, -1}, upper[] = {1, 1};
    const int label = 0;
    double margin[2];
    both.device.reserve(64);
    both.device.margins(lower, upper, &label, 1, margin);
    CHECK(margin[1] == Approx(1));
    CHECK(margin[0] == 0);
}
