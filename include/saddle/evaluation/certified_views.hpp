#pragma once
#include "saddle/evaluation/report_views.hpp"

namespace saddle {

/// What is known of the smallest Linf perturbation that changes one example's class: none up to `proved`, one of size `broken`.
struct certified_bracket {
    std::size_t example = 0;
    double proved = 0;             ///< 0: only the example itself
    double broken = not_measured;  ///< NaN: no attack changed the class
};

/// The brackets of a model's examples that it classifies correctly.
struct bracket_list {
    std::string model;
    std::vector<certified_bracket> brackets;

    /// Brackets whose ends contradict each other: broken at a radius that was proven.
    [[nodiscard]] std::size_t contradictions() const {
        return static_cast<std::size_t>(
            std::count_if(brackets.begin(), brackets.end(), [](const auto& b) { return b.broken <= b.proved; }));
    }
    [[nodiscard]] std::size_t closed() const {
        return static_cast<std::size_t>(
            std::count_if(brackets.begin(), brackets.end(), [](const auto& b) { return std::isfinite(b.broken); }));
    }
};

namespace detail {

/// 'v', 'u' or 'm', as in partition files.
[[nodiscard, gnu::cold]] inline char letter_of(certificate c) {
    return c == certificate::verified ? 'v' : c == certificate::unverified ? 'u' : 'm';
}
/// Throws invalid_argument for another letter.
[[nodiscard, gnu::cold]] inline certificate certificate_of(char letter) {
    require(letter == 'v' || letter == 'u' || letter == 'm', "certificate_of", "letter", "v, u or m", letter);
    return letter == 'v' ? certificate::verified : letter == 'u' ? certificate::unverified : certificate::misclassified;
}

/// Models that something was proven of, in order of appearance.
[[nodiscard, gnu::cold]] inline std::vector<std::string> certified_models(const report& r) {
    std::vector<std::string> names;
    const auto add = [&](const std::string& name) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    for (const auto& row : r.certified) add(row.model);
    for (const auto& list : r.radii) add(list.model);
    return names;
}

}  // namespace detail

/// The lowest robust accuracy that an Linf attack reached on a model at this very epsilon; no examples if there was none.
[[nodiscard, gnu::cold]] inline accuracy attacked_accuracy(const report& r, const std::string& model, double epsilon) {
    accuracy lowest;
    for (const auto& row : r.rows)
        if (row.model == model && row.norm == "Linf" && row.epsilon == epsilon &&
            (lowest.examples == 0 || row.robust.share() < lowest.share()))
            lowest = row.robust;
    return lowest;
}

/// For every certified model the bracket of each correctly classified example: the largest radius proven by any domain, and the
/// smallest epsilon at which an Linf attack of the report, on as many examples, changed its class.
[[nodiscard, gnu::cold]] inline std::vector<bracket_list> brackets_of(const report& r) {
    std::vector<bracket_list> lists;
    for (const auto& model : detail::certified_models(r)) {
        std::size_t count = 0;
        for (const auto& row : r.certified)
            if (row.model == model) count = std::max(count, row.status.size());
        for (const auto& list : r.radii)
            if (list.model == model) count = std::max(count, list.radius.size());
        bracket_list all{model, {}};
        for (std::size_t i = 0; i < count; ++i) {
            certified_bracket b{.example = i};
            bool correct = true;
            for (const auto& row : r.certified) {
                if (row.model != model || row.status.size() != count) continue;
                correct = correct && row.status[i] != certificate::misclassified;
                if (row.status[i] == certificate::verified) b.proved = std::max(b.proved, row.epsilon);
            }
            for (const auto& list : r.radii) {
                if (list.model != model || list.radius.size() != count) continue;
                correct = correct && !std::isnan(list.radius[i]);
                if (list.radius[i] > b.proved) b.proved = list.radius[i];
            }
            for (const auto& row : r.rows)
                if (row.model == model && row.norm == "Linf" && row.survived.size() == count && !row.survived[i] &&
                    !(row.epsilon >= b.broken))
                    b.broken = row.epsilon;
            if (correct) all.brackets.push_back(b);
        }
        lists.push_back(std::move(all));
    }
    return lists;
}

/// Sentences that a reader must see: examples that are proven and broken at one radius.
[[nodiscard, gnu::cold]] inline std::vector<std::string> bracket_notes(const report& r) {
    std::vector<std::string> notes;
    for (const auto& list : brackets_of(r))
        if (const std::size_t n = list.contradictions(); n > 0)
            notes.push_back(text(list.model, ": ", n,
                                 " examples are broken by an attack at a radius that was proven; the attacked program is not the "
                                 "certified one, or one of the two is wrong"));
    return notes;
}

/// Certified accuracy against epsilon beside the lowest accuracy under attack, a chart a model; for models with several radii.
[[nodiscard, gnu::cold]] inline std::vector<chart> certified_charts(const report& r) {
    std::vector<chart> charts;
    const auto models = detail::certified_models(r);
    for (const auto& model : models) {
        chart c{"Certified accuracy against epsilon" + (models.size() > 1 ? ", " + model : ""),
                "The truth lies between what is proven and what attacks leave; bars show the exact confidence interval.",
                "epsilon (Linf)",
                "accuracy",
                {},
                true};
        std::map<std::string, std::map<double, accuracy>> lines;
        std::vector<std::string> domains;
        for (const auto& row : r.certified) {
            if (row.model != model || !std::isfinite(row.epsilon)) continue;
            if (!lines.contains(row.domain)) domains.push_back(row.domain);
            lines[row.domain][0] = row.clean;
            lines[row.domain][row.epsilon] = row.certified;
            if (const auto attacked = attacked_accuracy(r, model, row.epsilon); attacked.examples > 0) {
                lines["under attack"][0] = row.clean;
                lines["under attack"][row.epsilon] = attacked;
            }
        }
        if (lines.contains("under attack")) domains.push_back("under attack");
        for (std::size_t d = 0; d < domains.size(); ++d) {
            if (lines[domains[d]].size() < 3) continue;
            curve line{.name = domains[d], .color = static_cast<int>(d)};
            for (const auto& [epsilon, a] : lines[domains[d]]) {
                const auto ends = a.exact_interval();
                line.x.push_back(epsilon), line.y.push_back(a.share());
                line.lower.push_back(ends.lower), line.upper.push_back(ends.upper);
            }
            c.curves.push_back(std::move(line));
        }
        if (!c.curves.empty()) charts.push_back(std::move(c));
    }
    return charts;
}

}  // namespace saddle
