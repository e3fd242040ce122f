#include "saddle/core/error.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("require says where, what, what was expected and what was found", "[core]") {
    CHECK_NOTHROW(require(true, "here", "epsilon", "a number >= 0", -1));
    CHECK_THROWS_WITH(require(false, "here", "epsilon", "a number >= 0", -1), "here: epsilon; expected a number >= 0, found -1");
    CHECK_THROWS_AS(require<io_error>(false, "", "", "", ""), io_error);
}

TEST_CASE("every kind of error is a saddle::error", "[core]") {
    CHECK_THROWS_AS(throw data_error("x"), error);
    CHECK_THROWS_AS(throw invalid_argument("x"), error);
    CHECK_THROWS_AS(throw shape_error("x"), error);
    CHECK_THROWS_AS(throw io_error("x"), error);
    CHECK_THROWS_AS(throw numeric_error("x"), error);
    CHECK_THROWS_AS(throw interrupted("x"), error);
}
