#include "saddle/data/augment.hpp"

#include "support/catch.hpp"

#include <set>
#include <vector>

using namespace saddle;

namespace {

constexpr extents each{2, 3, 5};

std::vector<float> image() {
    std::vector<float> values(each.size());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i + 1);
    return values;
}

std::vector<float> augmented(const crop_flip& augment, std::uint64_t example, std::uint32_t epoch = 0, std::uint64_t seed = 0) {
    std::vector<float> out(each.size(), -1);
    augment.apply(image(), out, each, example, epoch, seed);
    return out;
}

/// The image moved by (down, right) with zeros coming in, mirrored if asked.
std::vector<float> moved(int down, int right, bool mirror) {
    const auto in = image();
    std::vector<float> out(in.size());
    for (int c = 0; c < 2; ++c)
        for (int h = 0; h < 3; ++h)
            for (int w = 0; w < 5; ++w) {
                const int row = h + down, column = (mirror ? 4 - w : w) + right;
                if (row >= 0 && row < 3 && column >= 0 && column < 5)
                    out[static_cast<std::size_t>((c * 3 + h) * 5 + w)] = in[static_cast<std::size_t>((c * 3 + row) * 5 + column)];
            }
    return out;
}

}  // namespace

TEST_CASE("every crop and mirroring occurs, and nothing else", "[data]") {
    const crop_flip augment{1, true};
    std::set<std::vector<float>> possible, seen;
    for (int down = -1; down <= 1; ++down)
        for (int right = -1; right <= 1; ++right)
            for (const bool mirror : {false, true}) possible.insert(moved(down, right, mirror));
    for (std::uint64_t example = 0; example < 400; ++example) seen.insert(augmented(augment, example));
    CHECK(possible.size() == 18);
    CHECK(seen == possible);
}

TEST_CASE("without padding and flip the image stays as it is", "[data]") {
    for (std::uint64_t example = 0; example < 20; ++example) CHECK(augmented({0, false}, example) == image());
}

TEST_CASE("a flip without padding mirrors about half of the images", "[data]") {
    int mirrored = 0;
    for (std::uint64_t example = 0; example < 1000; ++example) {
        const auto out = augmented({0, true}, example);
        if (out != image()) {
            REQUIRE(out == moved(0, 0, true));
            ++mirrored;
        }
    }
    CHECK(mirrored > 430);
    CHECK(mirrored < 570);
}

TEST_CASE("augmentation is a function of seed, epoch and example", "[data]") {
    const crop_flip augment;
    CHECK(augmented(augment, 3, 5, 7) == augmented(augment, 3, 5, 7));
    std::set<std::vector<float>> by_epoch, by_seed;
    for (std::uint32_t k = 0; k < 50; ++k) {
        by_epoch.insert(augmented(augment, 3, k, 7));
        by_seed.insert(augmented(augment, 3, 5, k));
    }
    CHECK(by_epoch.size() > 10);
    CHECK(by_seed.size() > 10);
}

TEST_CASE("augmentation refuses images of other extents", "[data]") {
    std::vector<float> in(each.size()), out(each.size() - 1);
    CHECK_THROWS_AS(crop_flip{}.apply(in, out, each, 0, 0, 0), shape_error);
    CHECK_THROWS_AS(crop_flip{}.apply(out, in, each, 0, 0, 0), shape_error);
    CHECK_THROWS_AS((crop_flip{std::size_t{1} << 40, true}.apply(in, in, each, 0, 0, 0)), invalid_argument);
}
