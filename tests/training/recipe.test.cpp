#include "saddle/training/recipe.hpp"

#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("numbers in a recipe read back to the same bits") {
    recipe r;
    for (const double value : {.1, 8. / 255, 1e-300, 1. / 3}) {
        r("value", value);
        CHECK(std::stod(r.entries().at("value")) == value);
    }
}

TEST_CASE("parts of a recipe carry the names of those around them") {
    struct inner {
        std::string_view name = "inner";
        double epsilon = .5;
        bool early_stop = true;
    };
    struct outer {
        inner projection;
        void describe(recipe& r) const { r.part("attack", projection); }
    };
    recipe r;
    r.part("objective", outer{});
    CHECK(r.entries().at("objective.attack.name") == "inner");
    CHECK(r.entries().at("objective.attack.epsilon") == "0.5");
    CHECK(r.entries().at("objective.attack.early_stop") == "true");
}

TEST_CASE("the fingerprint changes with every byte, its place and the length") {
    std::vector<std::byte> bytes(77);
    const auto zeros = fingerprint(bytes);
    std::vector<std::uint64_t> seen{zeros, fingerprint(std::span(bytes).first(76))};
    for (auto& b : bytes) {
        b = std::byte{1};
        seen.push_back(fingerprint(bytes));
        b = std::byte{0};
    }
    std::sort(seen.begin(), seen.end());
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    CHECK(fingerprint(bytes) == zeros);
}
