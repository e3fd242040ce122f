#pragma once
#include "saddle/attacks/transfer.hpp"
#include "saddle/evaluation/text_table.hpp"

namespace saddle {

/// A model under a name, for tables of several.
template <class M>
struct named_model {
    std::string name;
    const M& model;
};
template <class M>
named_model(std::string, const M&) -> named_model<M>;
template <class M>
named_model(const char*, const M&) -> named_model<M>;

/// Accuracy of each model on images made for each: `accuracy[source][target]`; the diagonal is the white box.
struct transfer_table {
    std::string attack;
    std::vector<std::string> models;
    std::vector<double> clean;                  ///< accuracy on the clean images
    std::vector<std::vector<double>> accuracy;  ///< shares in [0,1] of images that are right before and after
};

/// Makes adversarial images on every model and judges them on every one. x [N,C,H,W] in [0,1]; all models take its shape. Throws like
/// `perturb`.
template <class A, class T, class... Models>
[[nodiscard]] transfer_table transfer_matrix(const A& attack, const basic_images<T>& x, const labels& y, worker_pool& pool,
                                             const named_model<Models>&... models) {
    transfer_table table{std::string(attack.name), {models.name...}, {}, {}};
    std::vector<labels> before;
    const auto note_clean = [&](const auto& model) {
        auto clean = predict(model, x, pool);
        table.clean.push_back(clean.accuracy(y));
        before.push_back(std::move(clean.classes));
    };
    (note_clean(models.model), ...);
    const auto add_source = [&](const auto& source) {
        const auto made = perturb(attack, source, x, y, pool);
        std::vector<double> row;
        const auto add_target = [&](const auto& target) {
            const auto after = predict(target, made.adversarial, pool).classes;
            std::size_t right = 0;
            for (std::size_t i = 0; i < y.size(); ++i) right += before[row.size()][i] == y[i] && after[i] == y[i];
            row.push_back(static_cast<double>(right) / static_cast<double>(y.size()));
        };
        (add_target(models.model), ...);
        table.accuracy.push_back(std::move(row));
    };
    (add_source(models.model), ...);
    return table;
}

/// The table as text: a line per source, a column per target, in per cent.
inline void write_text(const transfer_table& t, std::ostream& out, std::size_t width = 120) {
    std::vector<detail::text_table::column> columns{{t.attack + " made on", false, 40}};
    for (const auto& name : t.models) columns.push_back({name, true, 20});
    detail::text_table table(columns);
    const auto add = [&](const std::string& name, const std::vector<double>& shares) {
        std::vector<std::string> cells{name};
        for (const double s : shares) cells.push_back(percent_text(s));
        table.add(std::move(cells));
    };
    add("(clean)", t.clean);
    for (std::size_t s = 0; s < t.models.size(); ++s) add(t.models[s], t.accuracy[s]);
    table.print(out, width);
}

}  // namespace saddle
