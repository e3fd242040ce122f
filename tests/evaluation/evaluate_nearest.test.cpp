#include "attacks/wrappers.hpp"
#include "saddle/attacks/inside_ball.hpp"
#include "saddle/attacks/restarts.hpp"
#include "saddle/attacks/strongest_of.hpp"
#include "saddle/evaluation/evaluate.hpp"

using namespace saddle;

TEST_CASE("evaluation takes attacks for the nearest image and attacks made of others", "[evaluation]") {
    const wrapper_problem p;
    worker_pool pool(2);
    const auto found = evaluate("toy", p.model, p.x, p.y, pool, {.worst_case = false}, deepfool<l2>{},
                                carlini_wagner_l2{.binary_steps = 3, .steps = 30, .initial_c = .1}, restarts(random_attack(), 3),
                                strongest_of(weak_attack(), inside_ball(deepfool<linf>{}, linf{.03})));
    REQUIRE(found.rows.size() == 4);
    for (const auto& row : found.rows) {
        INFO(row.attack);
        CHECK(row.rejected == 0);
        CHECK(row.successes > 0);
        CHECK_FALSE(row.settings.empty());
    }
    CHECK(found.rows[0].norm == "box");
    CHECK(found.rows[0].distortion.l2.mean < found.rows[0].distortion.l1.mean);
    CHECK(found.rows[2].norm == "Linf");
    CHECK(found.rows[3].robust.share() <= evaluate("toy", p.model, p.x, p.y, pool, {}, weak_attack()).rows[0].robust.share());
}
