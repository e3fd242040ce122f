#pragma once
#include "saddle/core/images.hpp"
#include "saddle/core/philox.hpp"

namespace saddle {

/// Which class an attack aims at.
enum class target_rule {
    untargeted,      ///< any class but the label
    given,           ///< run_settings::targets
    random,          ///< uniform among the wrong classes, drawn per example
    least_likely,    ///< the wrong class of the smallest clean logit
    most_confusing,  ///< the wrong class of the largest clean logit (least loss; Wang & Zhang 2019, R-MC)
    next_class       ///< label + 1, cyclically
};

[[nodiscard]] inline const char* name_of(target_rule rule) {
    switch (rule) {
    case target_rule::untargeted:
        return "untargeted";
    case target_rule::given:
        return "given";
    case target_rule::random:
        return "random";
    case target_rule::least_likely:
        return "least_likely";
    case target_rule::most_confusing:
        return "most_confusing";
    case target_rule::next_class:
        return "next_class";
    }
    return "unknown";
}

[[nodiscard]] constexpr bool needs_clean_logits(target_rule rule) {
    return rule == target_rule::least_likely || rule == target_rule::most_confusing;
}

/// The target of one lane. `logits` points at the lane's class 0, classes `stride` apart (read by the rules that need them; NaN
/// is never chosen while another class is there). Equals go to the lower class. K >= 2.
template <class T>
[[nodiscard]] SADDLE_HOST_DEVICE std::int32_t choose_target(target_rule rule, std::int32_t label, std::int32_t given,
                                                            std::size_t classes, const T* logits, std::size_t stride,
                                                            const random_stream& draws, std::uint64_t id) {
    const auto k = static_cast<std::int32_t>(classes);
    switch (rule) {
    case target_rule::untargeted:
        return label;
    case target_rule::given:
        return given;
    case target_rule::next_class:
        return (label + 1) % k;
    case target_rule::random: {
        const auto draw = static_cast<std::int32_t>(draws.below(static_cast<std::uint32_t>(k - 1), id, 0));
        return draw < label ? draw : draw + 1;
    }
    case target_rule::least_likely:
    case target_rule::most_confusing:
        break;
    }
    const T sign = rule == target_rule::most_confusing ? T(1) : T(-1);
    std::int32_t best = -1;
    for (std::int32_t c = 0; c < k; ++c) {
        if (c == label) continue;
        const T value = sign * logits[static_cast<std::size_t>(c) * stride];
        if (best < 0 || value > sign * logits[static_cast<std::size_t>(best) * stride] ||
            (value == value &&
             !(logits[static_cast<std::size_t>(best) * stride] == logits[static_cast<std::size_t>(best) * stride])))
            best = c;
    }
    return best;
}

}  // namespace saddle
