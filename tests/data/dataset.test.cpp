#include "saddle/data/dataset.hpp"

#include "io/says.hpp"

#include <limits>

using namespace saddle;

namespace {

dataset sample() {
    dataset data{"small", images(3, {1, 2, 2}), {0, 1, 1}, 2, {"no", "yes"}};
    for (std::size_t i = 0; i < 12; ++i) data.x.values()[i] = static_cast<float>(i) / 16;
    return data;
}

}  // namespace

TEST_CASE("validate accepts a good set", "[data]") {
    CHECK_NOTHROW(validate(sample()));
    auto ends = sample();
    ends.x.values()[0] = 0;
    ends.x.values()[1] = 1;
    CHECK_NOTHROW(validate(ends));
}

TEST_CASE("validate names the first pixel that is NaN or outside [0,1]", "[data]") {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1e-6f, 1.000001f}) {
        auto data = sample();
        data.x[2][1] = bad;
        CHECK_THROWS_AS(validate(data), data_error);
        CHECK_THROWS_WITH(validate(data), says("'small'") && says("image 2, element 1"));
    }
}

TEST_CASE("validate refuses wrong labels, names and an empty set", "[data]") {
    auto data = sample();
    data.y[1] = 2;
    CHECK_THROWS_WITH(validate(data), says("label of image 1") && says("0 to 1") && says("found 2"));
    data.y[1] = -1;
    CHECK_THROWS_AS(validate(data), data_error);
    data = sample();
    data.y.pop_back();
    CHECK_THROWS_AS(validate(data), shape_error);
    data = sample();
    data.class_names.pop_back();
    CHECK_THROWS_WITH(validate(data), says("class names"));
    data = sample();
    data.classes = 1;
    data.class_names.clear();
    CHECK_THROWS_WITH(validate(data), says("number of classes"));
    CHECK_THROWS_AS(validate(dataset{"none", {}, {}, 2, {}}), data_error);
    CHECK_THROWS_AS(validate(dataset{"flat", images(2, {1, 0, 4}), {0, 1}, 2, {}}), data_error);
}

TEST_CASE("subset takes the examples in the given order", "[data]") {
    const std::vector<std::size_t> indices{2, 0, 2};
    const auto part = subset(sample(), indices);
    CHECK(part.y == labels{1, 0, 1});
    CHECK(part.x[1][3] == 3.f / 16);
    CHECK(part.x[2][0] == 8.f / 16);
    CHECK(part.class_names == sample().class_names);
    CHECK_THROWS_AS(subset(sample(), std::vector<std::size_t>{3}), invalid_argument);
}

TEST_CASE("first takes the first examples", "[data]") {
    const auto part = first(sample(), 2);
    CHECK(part.size() == 2);
    CHECK(part.y == labels{0, 1});
    CHECK(part.x == sample().x.slice(0, 2));
    CHECK(first(sample(), 3) == sample());
    CHECK_THROWS_AS(first(sample(), 4), invalid_argument);
}
