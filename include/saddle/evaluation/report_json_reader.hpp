#pragma once
#include "saddle/evaluation/report_json.hpp"

namespace saddle {

namespace detail {

[[gnu::cold]] inline double number_of(const json& j) { return j.is_null() ? not_measured : j.get<double>(); }
[[gnu::cold]] inline std::vector<double> numbers_of(const json& j) {
    std::vector<double> out;
    for (const auto& v : j) out.push_back(number_of(v));
    return out;
}
[[gnu::cold]] inline std::vector<setting> settings_of(const json& j) {
    std::vector<setting> out;
    for (const auto& [name, v] : j.items()) {
        if (v.is_boolean())
            out.emplace_back(name, v.get<bool>());
        else if (v.is_number_integer())
            out.emplace_back(name, v.get<std::int64_t>());
        else if (v.is_string())
            out.emplace_back(name, v.get<std::string>());
        else
            out.emplace_back(name, number_of(v));
    }
    return out;
}
[[gnu::cold]] inline accuracy accuracy_of(const json& j) {
    accuracy a{j.at("correct").get<std::size_t>(), j.at("examples").get<std::size_t>(), j.at("confidence").get<double>()};
    require_proportion(a.correct, a.examples, a.confidence, "accuracy");
    return a;
}
[[gnu::cold]] inline sample_summary summary_of(const json& j) { return {number_of(j.at("mean")), number_of(j.at("median"))}; }
[[gnu::cold]] inline model_summary model_of(const json& j) {
    return {j.at("name"),
            j.at("network"),
            j.at("training"),
            j.at("parameters"),
            accuracy_of(j.at("clean")),
            number_of(j.at("training_seconds")),
            settings_of(j.at("settings"))};
}
[[gnu::cold]] inline attack_row row_of(const json& j) {
    attack_row row;
    row.model = j.at("model"), row.attack = j.at("attack"), row.norm = j.at("norm");
    row.epsilon = number_of(j.at("epsilon"));
    row.settings = settings_of(j.at("settings"));
    row.clean = accuracy_of(j.at("clean")), row.robust = accuracy_of(j.at("robust"));
    row.successes = j.at("successes"), row.rejected = j.at("rejected"), row.invalid_logits = j.at("invalid_logits");
    const auto& d = j.at("distortion");
    row.distortion = {summary_of(d.at("linf")), summary_of(d.at("l2")), summary_of(d.at("l1")), summary_of(d.at("l0"))};
    row.loss = number_of(j.at("loss"));
    row.accuracy_after_step = numbers_of(j.at("accuracy_after_step"));
    for (const char c : j.at("survived").get<std::string>()) row.survived.push_back(c == '1');
    row.gradient_calls = j.at("gradient_calls"), row.forward_calls = j.at("forward_calls");
    row.seconds = number_of(j.at("seconds"));
    return row;
}
[[gnu::cold]] inline certified_row certified_row_of(const json& j) {
    certified_row row;
    row.model = j.at("model"), row.domain = j.at("domain"), row.level = j.at("soundness");
    row.epsilon = number_of(j.at("epsilon"));
    row.settings = settings_of(j.at("settings"));
    row.clean = accuracy_of(j.at("clean")), row.certified = accuracy_of(j.at("certified"));
    for (const char c : j.at("status").get<std::string>()) row.status.push_back(certificate_of(c));
    row.seconds = number_of(j.at("seconds"));
    return row;
}
[[gnu::cold]] inline certified_radii radii_of(const json& j) {
    return {j.at("model"),
            j.at("domain"),
            j.at("soundness"),
            number_of(j.at("upper")),
            number_of(j.at("tolerance")),
            numbers_of(j.at("radius")),
            number_of(j.at("seconds"))};
}
[[gnu::cold]] inline paired_comparison comparison_of(const json& j) {
    return {j.at("first"),      j.at("second"),      j.at("setting"), j.at("both"),
            j.at("only_first"), j.at("only_second"), j.at("neither"), number_of(j.at("p_value"))};
}
[[gnu::cold]] inline chart chart_of(const json& j) {
    chart c{j.at("title"), j.at("caption"), j.at("x_label"), j.at("y_label"), {}, j.at("share")};
    for (const auto& line : j.at("curves"))
        c.curves.push_back({line.at("name"), numbers_of(line.at("x")), numbers_of(line.at("y")), numbers_of(line.at("lower")),
                            numbers_of(line.at("upper"))});
    return c;
}

}  // namespace detail

/// Reads what json_text wrote (null becomes NaN; no pictures), so that the results of several runs can be joined in one report.
/// Throws io_error, naming `where`, when the text is not such a report.
[[nodiscard, gnu::cold]] inline report parse_report(const std::string& content, const std::string& where = "parse_report") {
    using namespace detail;
    try {
        const json j = json::parse(content);
        if (!j.is_object() || j.value("format", "") != "saddle report") throw io_error(where + ": not a report of this library");
        const int version = j.at("format_version");
        require<io_error>(version == 1, where, "version of the report's format", 1, version);
        report r;
        r.title = j.at("title"), r.date = j.at("date"), r.version = j.at("version");
        const auto& data = j.at("data");
        r.data_name = data.at("name"), r.data_note = data.at("note"), r.data_size = data.at("size"),
        r.classes = data.at("classes");
        const auto& shape = data.at("shape");
        r.image = {shape.at(0), shape.at(1), shape.at(2)};
        r.seed = j.at("seed"), r.threads = j.at("threads"), r.epsilon = number_of(j.at("epsilon"));
        r.build = settings_of(j.at("build")), r.settings = settings_of(j.at("settings"));
        for (const auto& m : j.at("models")) r.models.push_back(model_of(m));
        for (const auto& row : j.at("rows")) r.rows.push_back(row_of(row));
        if (j.contains("certified"))
            for (const auto& row : j.at("certified")) r.certified.push_back(certified_row_of(row));
        if (j.contains("certified_radii"))
            for (const auto& list : j.at("certified_radii")) r.radii.push_back(radii_of(list));
        for (const auto& c : j.at("comparisons")) r.comparisons.push_back(comparison_of(c));
        for (const auto& c : j.at("charts")) r.charts.push_back(chart_of(c));
        r.notes = j.at("notes").get<std::vector<std::string>>();
        return r;
    } catch (const nlohmann::json::exception& problem) {
        throw io_error(text(where, ": not a readable report: ", problem.what()));
    } catch (const invalid_argument& problem) {
        throw io_error(text(where, ": not a readable report: ", problem.what()));
    }
}

/// Reads a report file. Throws io_error when it cannot be read or is not a report.
[[nodiscard]] inline report read_report(const std::string& path) { return parse_report(read_text(path), path); }

}  // namespace saddle
