#pragma once
#include "saddle/core/config.hpp"

namespace saddle {

/// Where an attack starts.
enum class start_rule {
    none,        ///< at x
    uniform,     ///< uniform in the ball, as the projection defines it
    gaussian,    ///< x + start_scale · N(0,I) (TRADES, MART: .001)
    random_sign  ///< x ± start_scale per element (RAND+FGSM, Tramèr et al. 2018)
};

/// Which iterate an attack returns.
enum class keep_rule {
    last,           ///< the last one, as the papers have it; over restarts the better last one
    best,           ///< misclassified before not, then the highest loss; the clean image is a candidate
    first_success,  ///< the first misclassified one, else the highest loss; the clean image is a candidate
    last_success    ///< the last misclassified one, else the highest loss (the reference's APGD)
};

/// What the choice between an iterate and a lane's stored result depends on.
struct iterate_facts {
    bool valid = false;          ///< its logits are finite
    bool hit = false;            ///< its class is what the attack wants
    bool higher = false;         ///< its objective is above the stored result's
    bool last = false;           ///< it ends a restart
    bool first_restart = false;  ///< of the attack
    bool stored = false;         ///< there is a stored result with finite logits
    bool stored_hit = false;     ///< and it is what the attack wants
    bool early_stop = false;     ///< of the attack
};

/// Whether the iterate becomes the lane's stored result; the one rule of every backend.
[[nodiscard]] SADDLE_HOST_DEVICE constexpr bool takes_iterate(keep_rule keep, const iterate_facts& f) {
    const bool better = f.valid && (!f.stored || (f.hit && !f.stored_hit) || (f.hit == f.stored_hit && f.higher));
    switch (keep) {
    case keep_rule::last:
        return f.last ? f.first_restart || better : f.early_stop && f.hit;
    case keep_rule::first_success:
        return better && !f.stored_hit;
    case keep_rule::last_success:
        return better || (f.valid && f.hit);
    case keep_rule::best:
        break;
    }
    return better;
}

[[nodiscard]] inline const char* name_of(start_rule rule) {
    switch (rule) {
    case start_rule::none:
        return "none";
    case start_rule::uniform:
        return "uniform";
    case start_rule::gaussian:
        return "gaussian";
    case start_rule::random_sign:
        return "random_sign";
    }
    return "unknown";
}
[[nodiscard]] inline const char* name_of(keep_rule rule) {
    switch (rule) {
    case keep_rule::last:
        return "last";
    case keep_rule::best:
        return "best";
    case keep_rule::first_success:
        return "first_success";
    case keep_rule::last_success:
        return "last_success";
    }
    return "unknown";
}

}  // namespace saddle
