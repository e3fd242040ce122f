#include "saddle/certification/cuda/first_fit.cuh"

#include "support/catch.hpp"

using saddle::cuda::first_fit;

TEST_CASE("each piece gets the first gap that is large enough", "[cuda]") {
    first_fit places;
    CHECK(places.take(10) == 0);
    CHECK(places.take(20) == 10);
    CHECK(places.take(5) == 30);
    places.give_back(10);
    CHECK(places.take(21) == 35);
    CHECK(places.take(8) == 10);
    CHECK(places.take(12) == 18);
    CHECK(places.take(0) == 0);
    CHECK(places.take(1) == 56);
    places.clear();
    CHECK(places.take(3) == 0);
}
