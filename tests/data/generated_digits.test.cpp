#include "saddle/data/generated_digits.hpp"

#include "support/catch.hpp"

using namespace saddle;

namespace {

/// FNV-1a of the pixels as bytes.
std::uint64_t fingerprint(const images& x) {
    std::uint64_t hash = 0xcbf29ce484222325u;
    for (const float v : x.values()) hash = (hash ^ static_cast<std::uint64_t>(std::lround(v * 255))) * 0x100000001b3u;
    return hash;
}

}  // namespace

TEST_CASE("generated digits are the same on every machine and build", "[data]") {
    const auto data = generated_digits(500, 500);
    CHECK(fingerprint(data.train.x) == 0x3bfe8f69a2948808u);
    CHECK(fingerprint(data.test.x) == 0xc6cf6087b9cdbfdeu);
}

TEST_CASE("generated digits are a valid, balanced set of bytes in [0,1]", "[data]") {
    const auto data = generated_digits(200, 100);
    validate(data.train);
    validate(data.test);
    CHECK(data.train.x.each() == extents{1, 28, 28});
    CHECK(data.train.classes == 10);
    for (std::int32_t digit = 0; digit < 10; ++digit) CHECK(std::count(data.train.y.begin(), data.train.y.end(), digit) == 20);
    bool multiples = true;
    for (const float v : data.train.x.values()) multiples = multiples && v == std::round(v * 255.0f) / 255.0f;
    CHECK(multiples);
}

TEST_CASE("a longer generated set begins with the shorter one; parts and seeds differ", "[data]") {
    const auto small = generated_digits(20, 20), large = generated_digits(50, 30), other = generated_digits(20, 20, 1);
    CHECK(large.train.x.slice(0, 20) == small.train.x);
    CHECK(large.test.x.slice(0, 20) == small.test.x);
    CHECK_FALSE(small.train.x == small.test.x);
    CHECK_FALSE(small.train.x == other.train.x);
}

TEST_CASE("a part of no examples is left empty", "[data]") {
    const auto data = generated_digits(0, 10);
    CHECK(data.train.x.empty());
    CHECK(data.test.size() == 10);
}

TEST_CASE("generated digits can be told apart by their nearest neighbour", "[data]") {
    const auto data = generated_digits(1000, 100);
    int right = 0;
    for (std::size_t i = 0; i < data.test.size(); ++i) {
        std::size_t nearest = 0;
        float least = 1e9f;
        for (std::size_t j = 0; j < data.train.size(); ++j) {
            const float *a = data.test.x[i].data(), *b = data.train.x[j].data();
            float distance = 0;
            for (std::size_t k = 0; k < 784; ++k) distance += (a[k] - b[k]) * (a[k] - b[k]);
            if (distance < least) {
                least = distance;
                nearest = j;
            }
        }
        right += data.train.y[nearest] == data.test.y[i];
    }
    INFO(right << " of 100");
    CHECK(right > 80);
}
