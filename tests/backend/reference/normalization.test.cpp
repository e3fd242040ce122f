#include "saddle/backend/reference/normalization.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("moments of values with a large mean lose no digits", "[backend]") {
    basic_images<double> x(2, {1, 1, 2});
    const double values[] = {1e8 + 1, 1e8 + 2, 1e8 + 3, 1e8 + 4};
    std::copy_n(values, 4, x.data());
    const auto m = reference_backend::moments_of(x, {0, 2, 0, 1});
    CHECK(m.mean == 1e8 + 2.5);
    CHECK(m.variance == Approx(1.25));
}
