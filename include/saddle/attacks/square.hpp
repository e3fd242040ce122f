#pragma once
#include "saddle/attacks/square_runner.hpp"
#include "saddle/losses/logit_margin.hpp"

namespace saddle {

/// Settings of `square`; the defaults are AutoAttack's.
struct square_settings {
    double epsilon = 8. / 255;
    std::size_t queries = 5000;  ///< proposals of a run; one more for its start, and one for the clean image
    double p = .8;         ///< share of the image that the first windows cover (original: .05 on ImageNet, .3 on robust models)
    bool rescale = false;  ///< stretch the schedule of p, made for 10,000 queries, to `queries`
    std::size_t restarts = 1;
    target_rule targets = target_rule::untargeted;
    attack_profile profile = attack_profile::official;
    std::uint64_t seed = 0;
};

/// The Square attack (Andriushchenko et al. 2020): random search with square windows that shrink. Black box: scores alone. Made by
/// `square`.
///
/// Every image draws windows of its own, as in the original (the reference of AutoAttack draws one for all that are left in the
/// batch). p halves after proposals 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000. An image ends at its first success. With
/// attack_profile::official no window reaches the last row or column unless it fills the image, and a misclassified proposal is
/// accepted whatever its loss, both as in the reference; deterministic: windows lie anywhere and only the loss counts. Deviations:
/// L1 proposals are projected on the ball itself, where the reference takes one smaller by 1e-6; L2 and L1 starts of images that are
/// not square are tiled centrally along both axes, and images with sides below 5 have tiles of 1.
template <class LossType, class ProjectionType>
struct square_attack {
    using loss_type = LossType;
    using projection_type = ProjectionType;
    static constexpr bool needs_gradient = false;

    std::string_view name = "Square";
    LossType loss{};
    ProjectionType projection{};
    std::size_t queries = 5000;
    double p = .8;
    bool rescale = false;
    std::size_t restarts = 1;
    target_rule targets = target_rule::untargeted;
    attack_profile profile = attack_profile::official;
    std::uint64_t seed = 0;
    keep_rule keep = keep_rule::best;
    static constexpr bool early_stop = true;

    template <class S>
    using runner = square_runner<square_attack, S>;

    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    /// How often p has been halved at proposal `query` (from 0).
    [[nodiscard]] std::size_t halvings(std::size_t query) const {
        constexpr std::size_t ends[] = {10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000};
        const std::size_t at = rescale ? query * 10'000 / queries : query;
        std::size_t count = 0;
        for (const std::size_t end : ends) count += at > end;
        return count;
    }
    /// Side of the windows after 0 to 9 halvings; with `odd`, odd and at least 3. Never more than the image's shorter side.
    [[nodiscard]] std::vector<std::size_t> window_sizes(extents image, bool odd) const {
        std::vector<std::size_t> sizes;
        for (double share = p; sizes.size() < 10; share /= 2) {
            auto side = static_cast<std::size_t>(std::nearbyint(std::sqrt(share * static_cast<double>(image.pixels()))));
            side = std::max<std::size_t>(side, odd ? 3 : 1);
            if (odd && side % 2 == 0) ++side;
            sizes.push_back(std::min({side, image.height, image.width}));
        }
        return sizes;
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("loss", loss.name);
        visit("queries", queries);
        visit("p", p);
        visit("rescale", rescale);
        visit("restarts", restarts);
        visit("targets", name_of(targets));
        visit("profile", name_of(profile));
        visit("seed", seed);
    }
    void validate(std::string_view where) const {
        projection.validate(where);
        loss.validate(where);
        require(queries >= 1 && queries <= 100'000'000, where, "queries", "1 to 100000000", queries);
        require(p > 0 && p <= 1, where, "p", "a number in (0,1]", p);
        require(restarts >= 1 && restarts <= 1'000'000, where, "restarts", "1 to 1000000", restarts);
        static_assert(!keeps_state<LossType>, "saddle: the Square attack needs a loss of a label (docs/losses.md)");
    }
};

/// The Square attack with a projection (linf, l2 or l1) and a loss (logit_margin as the reference, or cross_entropy).
template <class Projection = linf, class Loss = logit_margin>
[[nodiscard]] square_attack<Loss, Projection> square(const square_settings& s = {}, const Loss& loss = {}) {
    static_assert(std::is_same_v<Projection, linf> || std::is_same_v<Projection, l2> || std::is_same_v<Projection, l1>,
                  "saddle: the Square attack is defined for linf, l2 and l1 (docs/auto_attack.md)");
    square_attack<Loss, Projection> attack;
    attack.loss = loss;
    attack.projection.epsilon = s.epsilon;
    attack.queries = s.queries;
    attack.p = s.p;
    attack.rescale = s.rescale;
    attack.restarts = s.restarts;
    attack.targets = s.targets;
    attack.profile = s.profile;
    attack.seed = s.seed;
    return attack;
}

}  // namespace saddle
