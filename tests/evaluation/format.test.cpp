#include "saddle/evaluation/format.hpp"

#include "support/catch.hpp"

#include <cstdlib>
#include <limits>

TEST_CASE("exact text reads back as the same double", "[evaluation]") {
    for (const double v : {.1, 1. / 3, 8. / 255, 1e-300, -5e-324, 123456789012345678.})
        CHECK(std::strtod(saddle::exact_text(v).c_str(), nullptr) == v);
    CHECK(saddle::exact_text(std::nan("")) == "nan");
}

TEST_CASE("epsilons are written as people write them", "[evaluation]") {
    CHECK(saddle::epsilon_text(8. / 255) == "8/255");
    CHECK(saddle::epsilon_text(.1) == "0.1");
    CHECK(saddle::epsilon_text(.3) == "0.3");
    CHECK(saddle::epsilon_text(1) == "1");
    CHECK(saddle::epsilon_text(0) == "0");
    CHECK(saddle::epsilon_text(.031) == "0.031");
    CHECK(saddle::epsilon_text(2) == "2");
    CHECK(saddle::epsilon_text(std::nan("")) == "–");
}

TEST_CASE("counts, shares and durations", "[evaluation]") {
    CHECK(saddle::count_text(0) == "0");
    CHECK(saddle::count_text(999) == "999");
    CHECK(saddle::count_text(1234567) == "1,234,567");
    CHECK(saddle::percent_text(.98765) == "98.8");
    CHECK(saddle::percent_text(std::numeric_limits<double>::infinity()) == "–");
    CHECK(saddle::duration_text(.123) == "0.12 s");
    CHECK(saddle::duration_text(250) == "4 min 10 s");
    CHECK(saddle::duration_text(7500) == "2 h 05 min");
    CHECK(saddle::duration_text(std::nan("")) == "–");
}
