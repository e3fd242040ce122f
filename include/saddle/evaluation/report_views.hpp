#pragma once
#include "saddle/evaluation/format.hpp"
#include "saddle/evaluation/report.hpp"

#include <algorithm>
#include <map>

namespace saddle {

/// A setting's value as text; numbers so that they read back exactly.
[[nodiscard, gnu::cold]] inline std::string value_text(const setting& s) {
    if (const auto* b = std::get_if<bool>(&s.value)) return *b ? "true" : "false";
    if (const auto* i = std::get_if<std::int64_t>(&s.value)) return std::to_string(*i);
    if (const auto* d = std::get_if<double>(&s.value)) return exact_text(*d);
    return std::get<std::string>(s.value);
}

/// "step_size=0.01; steps=20".
[[nodiscard, gnu::cold]] inline std::string settings_text(const std::vector<setting>& settings) {
    std::string out;
    for (const auto& s : settings) out += (out.empty() ? "" : "; ") + s.name + '=' + value_text(s);
    return out;
}

/// The different values of `of(row)` over the rows, in order of first appearance.
template <class Of>
[[nodiscard]] auto distinct(const std::vector<attack_row>& rows, Of&& of) {
    std::vector<std::decay_t<decltype(of(rows.front()))>> values;
    for (const auto& row : rows)
        if (const auto v = of(row); std::find(values.begin(), values.end(), v) == values.end()) values.push_back(v);
    return values;
}

/// Names of all models: those listed, then those that only rows name.
[[nodiscard, gnu::cold]] inline std::vector<std::string> model_names(const report& r) {
    std::vector<std::string> names;
    const auto add = [&](const std::string& name) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    for (const auto& m : r.models) add(m.name);
    for (const auto& row : r.rows) add(row.model);
    return names;
}

/// How an attack is called where several norms meet: "PGD (L2)".
[[nodiscard, gnu::cold]] inline std::string attack_title(const report& r, const attack_row& row) {
    const bool one_norm = std::all_of(r.rows.begin(), r.rows.end(), [&](const auto& other) { return other.norm == row.norm; });
    return one_norm || row.norm.empty() ? row.attack : row.attack + " (" + row.norm + ')';
}

/// The epsilon of the summary: the report's own, otherwise the one that most rows have, the largest of several. NaN without rows.
[[nodiscard, gnu::cold]] inline double summary_epsilon(const report& r) {
    if (!std::isnan(r.epsilon)) return r.epsilon;
    std::map<double, std::size_t> uses;
    for (const auto& row : r.rows)
        if (std::isfinite(row.epsilon)) ++uses[row.epsilon];
    double best = not_measured;
    std::size_t most = 0;
    for (const auto& [epsilon, count] : uses)
        if (count >= most) best = epsilon, most = count;
    return best;
}

namespace detail {

/// Rows of one model and attack, by ascending epsilon.
struct row_series {
    std::size_t model = 0, attack = 0;  ///< order of appearance
    std::string name;
    std::vector<const attack_row*> rows;
};

[[nodiscard, gnu::cold]] inline std::vector<row_series> series_of(const report& r) {
    std::vector<row_series> all;
    const auto models = model_names(r);
    const auto title = [&](const attack_row& row) { return attack_title(r, row); };
    const auto attacks = distinct(r.rows, title);
    for (std::size_t m = 0; m < models.size(); ++m)
        for (std::size_t a = 0; a < attacks.size(); ++a) {
            row_series s{m, a, models.size() == 1 ? attacks[a] : models[m] + ", " + attacks[a], {}};
            for (const auto& row : r.rows)
                if (row.model == models[m] && title(row) == attacks[a] && std::isfinite(row.epsilon)) s.rows.push_back(&row);
            std::stable_sort(s.rows.begin(), s.rows.end(), [](auto* x, auto* y) { return x->epsilon < y->epsilon; });
            if (!s.rows.empty()) all.push_back(std::move(s));
        }
    return all;
}

[[nodiscard, gnu::cold]] inline curve styled(const row_series& s) {
    curve c;
    c.name = s.name;
    c.color = static_cast<int>(s.model);
    c.dash = static_cast<int>(s.attack);
    return c;
}

}  // namespace detail

/// Robust accuracy against epsilon, one chart a norm, with exact confidence intervals; each line starts at the clean accuracy,
/// epsilon 0. Only attacks that were run at two or more epsilons appear.
[[nodiscard, gnu::cold]] inline std::vector<chart> epsilon_charts(const report& r) {
    std::vector<chart> charts;
    for (const auto& norm : distinct(r.rows, [](const auto& row) { return row.norm; })) {
        chart c{"Robust accuracy against epsilon",
                "Bars show the exact confidence interval; epsilon 0 is the clean accuracy.",
                norm.empty() ? "epsilon" : "epsilon (" + norm + ')',
                "robust accuracy",
                {},
                true};
        for (const auto& s : detail::series_of(r)) {
            if (s.rows.size() < 2 || s.rows.front()->norm != norm) continue;
            curve line = detail::styled(s);
            const auto add = [&](double epsilon, const accuracy& a) {
                const auto ends = a.exact_interval();
                line.x.push_back(epsilon), line.y.push_back(a.share()), line.lower.push_back(ends.lower),
                    line.upper.push_back(ends.upper);
            };
            if (s.rows.front()->epsilon > 0) add(0, s.rows.front()->clean);
            for (const auto* row : s.rows) add(row->epsilon, row->robust);
            c.curves.push_back(std::move(line));
        }
        if (!c.curves.empty()) charts.push_back(std::move(c));
    }
    return charts;
}

/// Accuracy after every iteration of the attacks that recorded it, at the summary's epsilon.
[[nodiscard, gnu::cold]] inline std::vector<chart> iteration_charts(const report& r) {
    const double epsilon = summary_epsilon(r);
    chart c{"Accuracy after every iteration",
            "Epsilon " + epsilon_text(epsilon) + "; iteration 0 is the attack's start.",
            "iteration",
            "accuracy",
            {},
            true};
    for (const auto& s : detail::series_of(r))
        for (const auto* row : s.rows)
            if (row->epsilon == epsilon && row->accuracy_after_step.size() > 2) {
                curve line = detail::styled(s);
                line.y = row->accuracy_after_step;
                for (std::size_t step = 0; step < line.y.size(); ++step) line.x.push_back(static_cast<double>(step));
                c.curves.push_back(std::move(line));
                break;
            }
    if (c.curves.empty()) return {};
    return {std::move(c)};
}

}  // namespace saddle
