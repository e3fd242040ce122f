#include "saddle/evaluation/attack_description.hpp"

#include "saddle/attacks/pgd.hpp"
#include "saddle/losses/label_smoothed.hpp"
#include "support/catch.hpp"

#include <map>

using namespace saddle;

namespace {

/// A loss with members of its own, one of them a part.
struct weighted_loss : cross_entropy {
    static constexpr std::string_view name = "weighted";
    double weight = .25;
    std::size_t rank = 3;
    struct inner {
        template <class V>
        void describe(V&& visit) const {
            visit("power", 2);
        }
    } part{};

    template <class V>
    void describe(V&& visit) const {
        visit("weight", weight);
        visit("rank", rank);
        visit.part("inner", part);
    }
};

std::map<std::string, std::string> written(const std::vector<setting>& settings) {
    std::map<std::string, std::string> all;
    for (const auto& s : settings)
        all[s.name] = std::visit(
            [](const auto& v) {
                if constexpr (std::is_same_v<decltype(v), const std::string&>)
                    return v;
                else
                    return text(static_cast<double>(v));
            },
            s.value);
    return all;
}

}  // namespace

TEST_CASE("reports tell every member that a loss describes", "[evaluation]") {
    const auto found = written(attack_settings(pgd<linf, weighted_loss>()));
    CHECK(found.at("loss") == "weighted");
    CHECK(found.at("loss_weight") == "0.25");
    CHECK(found.at("loss_rank") == "3");
    CHECK(found.at("loss_inner_power") == "2");
    CHECK(found.at("steps") == "10");
}

TEST_CASE("a loss without a description is told by the members of the library's losses", "[evaluation]") {
    const auto found = written(attack_settings(pgd<linf, label_smoothed>({}, {.alpha = .5})));
    CHECK(found.at("loss") == "label_smoothed");
    CHECK(found.at("loss_alpha") == "0.5");
}
