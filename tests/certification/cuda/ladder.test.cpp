#include "saddle/certification/ladder.hpp"

#include "device_networks.hpp"
#include "saddle/certification/cuda/device_ladder.cuh"

using namespace saddle;
using namespace saddle::testing;

TEMPLATE_TEST_CASE("a ladder on the device has the processor's margins", "[cuda][ladder]", (ladder<box, deep_poly>),
                   (ladder<box, zonotope, deep_poly>), (ladder<box, zonotope>)) {
    const auto m = random_model<strided>(1);
    const box_batch batch(40, m.structure().input().size(), .02);
    both_devices<TestType, small_model<strided>> both(m, TestType{}, soundness::float_program);
    both_devices<box, small_model<strided>> alone(m, {}, soundness::float_program);
    const auto found = both.device_margins(batch), boxes = alone.device_margins(batch);
    std::size_t settled = 0, improved = 0;
    for (std::size_t image = 0; image < 40; ++image) {
        const auto expected = both.host_margins(batch, image);
        bool same = true;
        for (std::size_t j = 0; j < 4; ++j) {
            CHECK(found[image * 4 + j] == Approx(expected[j]).epsilon(1e-9).margin(1e-9));
            same = same && found[image * 4 + j] == boxes[image * 4 + j];
        }
        settled += same;
        improved += !same;
    }
    CHECK(settled > 0);
    CHECK(improved > 0);
}
