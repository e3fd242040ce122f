#pragma once
#include "saddle/evaluation/text_table.hpp"

#include <algorithm>

namespace saddle {

/// What a check for obfuscated gradients found.
enum class sign_verdict {
    clear,       ///< as it should be
    suspicious,  ///< robustness measured by gradients is not to be trusted
    unknown      ///< nothing to measure: no gradients, no image that is classified correctly
};

/// One check: what was measured, what it says, and why.
struct obfuscation_sign {
    std::string name, measured;
    sign_verdict verdict = sign_verdict::unknown;
    std::string reason;
};

/// All checks of one model at one epsilon.
struct obfuscation_report {
    std::string model;
    double epsilon = 0;
    std::vector<obfuscation_sign> signs;

    [[nodiscard]] std::size_t count(sign_verdict v) const {
        return static_cast<std::size_t>(std::count_if(signs.begin(), signs.end(), [v](const auto& s) { return s.verdict == v; }));
    }
    [[nodiscard]] std::size_t suspicions() const { return count(sign_verdict::suspicious); }
    /// The sign of that name. Throws invalid_argument for an unknown one.
    [[nodiscard]] const obfuscation_sign& sign(std::string_view name) const {
        for (const auto& s : signs)
            if (s.name == name) return s;
        throw invalid_argument(text("obfuscation_report: no sign is called '", name, "'"));
    }
};

/// The report as a table, a sign a line, and a sentence.
inline void write_text(const obfuscation_report& r, std::ostream& out, std::size_t width = 240) {
    out << r.model << ", Linf epsilon " << epsilon_text(r.epsilon) << '\n';
    detail::text_table table(
        {{"sign", false, 30}, {"measured (accuracies)", false, 70}, {"verdict", false, 12}, {"because", false, 80}});
    for (const auto& s : r.signs)
        table.add({s.name, s.measured,
                   s.verdict == sign_verdict::clear        ? "clear"
                   : s.verdict == sign_verdict::suspicious ? "SUSPICIOUS"
                                                           : "unknown",
                   s.reason});
    table.print(out, width);
    const std::size_t found = r.suspicions(), open = r.count(sign_verdict::unknown);
    if (found > 0)
        out << text(found, found == 1 ? " sign" : " signs", " of obfuscated gradients: do not trust attacks that follow them\n");
    else
        out << text("no sign of obfuscated gradients", open > 0 ? text(" among ", r.signs.size() - open) : std::string(), "\n");
    if (open > 0) out << text(open, " of ", r.signs.size(), " checks could not be made\n");
}

}  // namespace saddle
