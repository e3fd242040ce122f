#pragma once
#include "saddle/evaluation/evaluate.hpp"
#include "saddle/evaluation/pictures.hpp"

namespace saddle {

/// States in the report which data the models were evaluated on.
[[gnu::cold]] inline void describe_data(report& r, const dataset& data) {
    r.data_name = data.name;
    r.data_size = data.size();
    r.classes = data.classes;
    r.image = data.x.each();
}

/// Adds a model and its evaluation to the report: rows, notes (each once) and the clean accuracy. A model of that name that is
/// there already, from an earlier evaluation, is kept; then only the rows and notes are new.
template <class T>
[[gnu::cold]] void add_evaluation(report& r, model_summary summary, const evaluation<T>& e) {
    summary.clean = e.clean;
    const bool known = std::any_of(r.models.begin(), r.models.end(), [&](const auto& m) { return m.name == summary.name; });
    if (!known) r.models.push_back(std::move(summary));
    r.rows.insert(r.rows.end(), e.rows.begin(), e.rows.end());
    for (const auto& note : e.notes)
        if (std::find(r.notes.begin(), r.notes.end(), note) == r.notes.end()) r.notes.push_back(note);
}

/// Pictures of the images that an evaluation kept, a grid per attack at `epsilon`. `x` and `y` are the evaluated set.
[[gnu::cold]] inline void add_pictures(report& r, const evaluation<float>& e, const images& x, const labels& y, double epsilon,
                                       const std::vector<std::string>& class_names = {}) {
    for (const auto& kept : e.kept) {
        if (kept.epsilon != epsilon) continue;
        const std::size_t count = kept.adversarial.size();
        const auto part = [&](const labels& all) {
            return labels(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(count, all.size())));
        };
        std::vector<std::size_t> examples(count);
        for (std::size_t i = 0; i < count; ++i) examples[i] = i;
        const auto original = x.slice(0, count);
        const auto truth = part(y), before = part(e.clean_predictions);
        r.pictures.push_back(adversarial_grid(e.model + ", " + kept.attack + ", epsilon " + epsilon_text(epsilon),
                                              {original, kept.adversarial, truth, before, kept.predictions, class_names},
                                              examples));
    }
}

/// Adds McNemar's test of two models for every attack, norm and epsilon that both were evaluated with; only for one epsilon if given.
[[gnu::cold]] inline void add_comparisons(report& r, const std::string& first, const std::string& second,
                                          double epsilon = not_measured) {
    for (const auto& a : r.rows)
        for (const auto& b : r.rows)
            if (a.model == first && b.model == second && a.attack == b.attack && a.norm == b.norm && a.epsilon == b.epsilon &&
                (std::isnan(epsilon) || a.epsilon == epsilon))
                r.comparisons.push_back(compare(a, b));
}

}  // namespace saddle
