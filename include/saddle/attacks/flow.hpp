#pragma once
#include "saddle/attacks/flow_runner.hpp"
#include "saddle/losses/carlini_wagner.hpp"
#include "saddle/projections/box_only.hpp"

namespace saddle {

/// The spatially transformed attack (Xiao et al. 2018, stAdv): every pixel is fetched from a place a little away from it.
///
/// x'_i is the bilinear value of x at the place of pixel i plus its flow, places held inside the image. L-BFGS from no flow minimises
/// f6(x') + smoothness · sum_i sum_{q next to i} sqrt(‖flow_i - flow_q‖² + 1e-12), over the four neighbours. Of the successes that of
/// the smallest sum is returned, the clean image where there is none. `steps` evaluations at most (500 updates in the authors' code);
/// sums and search in double, for each image alone. No Lp bound: the threat is the range.
struct flow {
    static constexpr bool needs_gradient = true;

    std::string_view name = "flow";
    carlini_wagner_loss loss{};
    box_only projection{};
    double smoothness = .05;  ///< tau, >= 0
    std::size_t steps = 500;
    target_rule targets = target_rule::untargeted;
    std::uint64_t seed = 0;

    template <class S>
    using runner = flow_runner<flow, S>;

    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    void validate(std::string_view where) const {
        loss.validate(where);
        require(smoothness >= 0 && smoothness <= 1e6, where, "smoothness", "a number in [0, 1e6]", smoothness);
        require(steps >= 1 && steps <= 100'000'000, where, "steps", "1 to 100000000", steps);
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("name", name);
        visit("objective", static_cast<int>(loss.objective));
        visit("kappa", loss.kappa);
        visit("smoothness", smoothness);
        visit("steps", steps);
        visit("targets", name_of(targets));
        visit("seed", seed);
    }
};

}  // namespace saddle
