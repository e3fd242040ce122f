#include "saddle/evaluation/transfer_matrix.hpp"

#include "attacks/toy.hpp"
#include "saddle/attacks/pgd.hpp"
#include "support/catch.hpp"

#include <sstream>

using namespace saddle;

TEST_CASE("the transfer matrix judges every model's images on every model", "[evaluation][transfer]") {
    const auto a = toy_quadratic();
    const auto b = toy_linear();
    const auto x = random_images(30, toy_shape);
    const auto y = predicted(a, x);
    worker_pool pool(2);
    const auto attack = pgd({.epsilon = .1, .step_size = .02, .steps = 10});
    const auto table =
        transfer_matrix(attack, x, y, pool, named_model{"quadratic", a}, named_model{"linear", b}, named_model{"hidden twin", a});
    REQUIRE(table.accuracy.size() == 3);
    CHECK(table.clean[0] == 1);
    CHECK(table.clean[1] == predict(b, x, pool).accuracy(y));
    CHECK(table.accuracy[0][0] == Approx(1 - perturb(attack, a, x, y).success_rate()));
    CHECK(table.accuracy[0][0] == table.accuracy[2][2]);
    CHECK(table.accuracy[0][2] == table.accuracy[0][0]);
    CHECK(table.accuracy[1][0] > table.accuracy[0][0]);
    CHECK(table.accuracy[1][1] <= table.clean[1]);

    std::ostringstream out;
    write_text(transfer_table{"PGD", {"A", "B"}, {1, .5}, {{0, .25}, {.75, 0}}}, out);
    CHECK(out.str() == "PGD made on      A     B\n"
                       "────────────────────────\n"
                       "(clean)      100.0  50.0\n"
                       "A              0.0  25.0\n"
                       "B             75.0   0.0\n");
}
