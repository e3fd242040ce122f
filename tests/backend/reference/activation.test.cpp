#include "saddle/backend/reference/activation.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("the stable sigmoid reaches 0 and 1 without overflow and is symmetric", "[backend]") {
    CHECK(reference_backend::stable_sigmoid(-1e5f) == 0);
    CHECK(reference_backend::stable_sigmoid(1e5f) == 1);
    CHECK(reference_backend::stable_sigmoid(.7) + reference_backend::stable_sigmoid(-.7) == Approx(1));
    CHECK(reference_backend::stable_sigmoid(-50.) == Approx(std::exp(-50.)));
}
