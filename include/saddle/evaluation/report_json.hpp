#pragma once
#include "saddle/evaluation/certified_views.hpp"
#include "saddle/io/file.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace saddle {

namespace detail {

/// Member order is kept, so that the file reads like the report.
using json = nlohmann::ordered_json;

[[gnu::cold]] inline json to_json(double v) { return std::isfinite(v) ? json(v) : json(nullptr); }
[[gnu::cold]] inline json to_json(const std::vector<double>& values) {
    json out = json::array();
    for (const double v : values) out.push_back(to_json(v));
    return out;
}
[[gnu::cold]] inline json to_json(const std::vector<setting>& settings) {
    json out = json::object();
    for (const auto& s : settings)
        out[s.name] = std::visit(
            [](const auto& v) -> json {
                if constexpr (std::is_same_v<std::decay_t<decltype(v)>, double>)
                    return to_json(v);
                else
                    return v;
            },
            s.value);
    return out;
}
[[gnu::cold]] inline json to_json(const accuracy& a) {
    const auto exact = a.exact_interval(), score = a.score_interval();
    return {{"correct", a.correct},
            {"examples", a.examples},
            {"share", to_json(a.share())},
            {"confidence", a.confidence},
            {"clopper_pearson", {exact.lower, exact.upper}},
            {"wilson", {score.lower, score.upper}}};
}
[[gnu::cold]] inline json to_json(const sample_summary& s) { return {{"mean", to_json(s.mean)}, {"median", to_json(s.median)}}; }
[[gnu::cold]] inline json to_json(const model_summary& m) {
    return {{"name", m.name},
            {"network", m.network},
            {"parameters", m.parameters},
            {"training", m.training},
            {"clean", to_json(m.clean)},
            {"training_seconds", to_json(m.training_seconds)},
            {"settings", to_json(m.settings)}};
}
[[gnu::cold]] inline json to_json(const attack_row& row) {
    std::string survived;
    for (const auto s : row.survived) survived += s ? '1' : '0';
    const auto& d = row.distortion;
    return {{"model", row.model},
            {"attack", row.attack},
            {"norm", row.norm},
            {"epsilon", to_json(row.epsilon)},
            {"settings", to_json(row.settings)},
            {"clean", to_json(row.clean)},
            {"robust", to_json(row.robust)},
            {"successes", row.successes},
            {"rejected", row.rejected},
            {"invalid_logits", row.invalid_logits},
            {"distortion", {{"linf", to_json(d.linf)}, {"l2", to_json(d.l2)}, {"l1", to_json(d.l1)}, {"l0", to_json(d.l0)}}},
            {"loss", to_json(row.loss)},
            {"accuracy_after_step", to_json(row.accuracy_after_step)},
            {"gradient_calls", row.gradient_calls},
            {"forward_calls", row.forward_calls},
            {"seconds", to_json(row.seconds)},
            {"survived", survived}};
}
[[gnu::cold]] inline json to_json(const paired_comparison& c) {
    return {{"first", c.first},     {"second", c.second},           {"setting", c.setting},
            {"both", c.both},       {"only_first", c.only_first},   {"only_second", c.only_second},
            {"neither", c.neither}, {"p_value", to_json(c.p_value)}};
}
[[gnu::cold]] inline json to_json(const chart& c) {
    json curves = json::array();
    for (const auto& line : c.curves)
        curves.push_back({{"name", line.name},
                          {"x", to_json(line.x)},
                          {"y", to_json(line.y)},
                          {"lower", to_json(line.lower)},
                          {"upper", to_json(line.upper)}});
    return {{"title", c.title},     {"caption", c.caption}, {"x_label", c.x_label},
            {"y_label", c.y_label}, {"share", c.share},     {"curves", curves}};
}
[[gnu::cold]] inline json to_json(const certified_row& row) {
    std::string letters;
    for (const auto c : row.status) letters += letter_of(c);
    return {{"model", row.model},
            {"domain", row.domain},
            {"soundness", row.level},
            {"epsilon", to_json(row.epsilon)},
            {"settings", to_json(row.settings)},
            {"clean", to_json(row.clean)},
            {"certified", to_json(row.certified)},
            {"seconds", to_json(row.seconds)},
            {"status", letters}};
}
[[gnu::cold]] inline json to_json(const certified_radii& r) {
    return {{"model", r.model},
            {"domain", r.domain},
            {"soundness", r.level},
            {"upper", to_json(r.upper)},
            {"tolerance", to_json(r.tolerance)},
            {"seconds", to_json(r.seconds)},
            {"radius", to_json(r.radius)}};
}
[[gnu::cold]] inline json to_json(const bracket_list& b) {
    json list = json::array();
    for (const auto& one : b.brackets)
        list.push_back({{"example", one.example}, {"proved", to_json(one.proved)}, {"broken", to_json(one.broken)}});
    return {{"model", b.model}, {"contradictions", b.contradictions()}, {"examples", list}};
}
template <class T>
json to_json_array(const std::vector<T>& items) {
    json out = json::array();
    for (const auto& item : items) out.push_back(to_json(item));
    return out;
}

}  // namespace detail

/// The report as JSON (UTF-8): all settings, the seed and, per attack, which examples survived; numbers read back exactly, those
/// that are not finite become null, invalid UTF-8 becomes U+FFFD. Pictures and the charts drawn from the rows are left out.
[[nodiscard, gnu::cold]] inline std::string json_text(const report& r) {
    using detail::to_json, detail::to_json_array;
    const detail::json all{{"format", "saddle report"},
                           {"format_version", 1},
                           {"title", r.title},
                           {"date", r.date},
                           {"version", r.version},
                           {"data",
                            {{"name", r.data_name},
                             {"note", r.data_note},
                             {"size", r.data_size},
                             {"classes", r.classes},
                             {"shape", {r.image.channels, r.image.height, r.image.width}}}},
                           {"seed", r.seed},
                           {"threads", r.threads},
                           {"epsilon", to_json(r.epsilon)},
                           {"build", to_json(r.build)},
                           {"settings", to_json(r.settings)},
                           {"models", to_json_array(r.models)},
                           {"rows", to_json_array(r.rows)},
                           {"certified", to_json_array(r.certified)},
                           {"certified_radii", to_json_array(r.radii)},
                           {"brackets", to_json_array(brackets_of(r))},
                           {"comparisons", to_json_array(r.comparisons)},
                           {"charts", to_json_array(r.charts)},
                           {"notes", r.notes}};
    return all.dump(2, ' ', false, detail::json::error_handler_t::replace) + '\n';
}

/// Writes the report as a JSON file, atomically. Throws io_error when it cannot be written.
inline void write_json(const report& r, const std::string& path) { write_file_atomically(path, json_text(r)); }

}  // namespace saddle
