#pragma once
#include "saddle/attacks/jsma_runner.hpp"
#include "saddle/projections/box_only.hpp"

namespace saddle {

/// What the saliency map of JSMA is made of (named by Carlini & Wagner 2017).
enum class jsma_kind : std::uint8_t {
    logits,        ///< JSMA-Z
    probabilities  ///< JSMA-F: the softmax
};

/// The Jacobian-based saliency map attack (Papernot et al. 2016): changes the two features of highest saliency, again and again.
///
/// With J the Jacobian over the input elements, alpha = J_ti + J_tj and beta = sum_{k != t} (J_ki + J_kj): of the pairs with alpha
/// theta > 0 > beta theta that of the largest -alpha beta is set to clip(x + theta), and leaves the search domain; elements within
/// `saturation` of the end they would move to are not in it. Ends at the target class, when no pair qualifies, or after floor(gamma
/// d / 2) pairs. Two gradients a pair (the target's and the sum of the others'), one for probabilities, whose columns sum to 0; these
/// are taken without their common factor p_t, which changes no choice but does not vanish. Targeted only: `next_class` is
/// torchattacks' default. Images [N,C,H,W] in [0,1].
struct jsma {
    static constexpr bool needs_gradient = true;
    static constexpr std::string_view norm = "l0";

    std::string_view name = "JSMA-Z";
    jsma_kind kind = jsma_kind::logits;
    box_only projection{};
    double theta = 1;         ///< change of an element, in [-1,1], not 0
    double gamma = .1;        ///< share of the elements that may be changed, in (0,1]
    double saturation = .01;  ///< in [0,1)
    target_rule targets = target_rule::next_class;
    std::uint64_t seed = 0;

    template <class S>
    using runner = jsma_runner<jsma, S>;

    [[nodiscard]] bool targeted() const { return true; }
    void validate(std::string_view where) const {
        require(theta >= -1 && theta <= 1 && (theta < 0 || theta > 0), where, "theta", "a number in [-1,1], not 0", theta);
        require(gamma > 0 && gamma <= 1, where, "gamma", "a number in (0,1]", gamma);
        require(saturation >= 0 && saturation < 1, where, "saturation", "a number in [0,1)", saturation);
        require(targets != target_rule::untargeted, where, "targets of JSMA", "a target", "untargeted");
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("name", name);
        visit("kind", kind == jsma_kind::logits ? "logits" : "probabilities");
        visit("theta", theta);
        visit("gamma", gamma);
        visit("saturation", saturation);
        visit("targets", name_of(targets));
        visit("seed", seed);
    }
};

/// JSMA-Z and JSMA-F with torchattacks' theta 1 and gamma .1.
inline constexpr jsma jsma_z{};
inline constexpr jsma jsma_f{.name = "JSMA-F", .kind = jsma_kind::probabilities};

}  // namespace saddle
