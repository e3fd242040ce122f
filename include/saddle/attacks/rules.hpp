#pragma once

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
