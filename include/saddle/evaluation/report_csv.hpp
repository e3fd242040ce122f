#pragma once
#include "saddle/evaluation/report_views.hpp"
#include "saddle/io/file.hpp"

namespace saddle {

/// One field of a CSV line (RFC 4180): quoted when it holds a comma, a quote or a line end; quotes are doubled.
[[nodiscard, gnu::cold]] inline std::string csv_field(const std::string& s) {
    if (s.find_first_of(",\"\r\n") == std::string::npos) return s;
    std::string out = "\"";
    for (const char c : s) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + '"';
}

/// A number of a CSV line, exact; an empty field when it is not finite.
[[nodiscard]] inline std::string csv_number(double value) { return std::isfinite(value) ? exact_text(value) : ""; }

/// The fields as a line of CSV, its end included.
[[nodiscard, gnu::cold]] inline std::string csv_line(const std::vector<std::string>& fields) {
    std::string out;
    for (std::size_t i = 0; i < fields.size(); ++i) out += (i ? "," : "") + csv_field(fields[i]);
    return out + "\r\n";
}

/// The report's rows as CSV (RFC 4180, CRLF): a header, then one line per model, attack and epsilon. Shares lie in [0,1].
[[nodiscard, gnu::cold]] inline std::string csv_text(const report& r) {
    std::string out =
        "data,model,attack,norm,epsilon,settings,examples,clean_correct,clean_accuracy,robust_correct,robust_accuracy,confidence,"
        "robust_lower,robust_upper,robust_wilson_lower,robust_wilson_upper,successes,rejected,invalid_logits,"
        "linf_mean,linf_median,l2_mean,l2_median,l1_mean,l1_median,l0_mean,l0_median,loss,accuracy_after_step,"
        "gradient_calls,forward_calls,seconds,seed,version,date\r\n";
    for (const auto& row : r.rows) {
        const auto exact = row.robust.exact_interval(), score = row.robust.score_interval();
        std::string steps;
        for (const double a : row.accuracy_after_step) steps += (steps.empty() ? "" : ";") + csv_number(a);
        std::vector<std::string> fields{
            r.data_name, row.model, row.attack, row.norm, csv_number(row.epsilon), settings_text(row.settings)};
        const auto count = [&](std::uint64_t v) { fields.push_back(std::to_string(v)); };
        const auto number = [&](double v) { fields.push_back(csv_number(v)); };
        count(row.robust.examples), count(row.clean.correct), number(row.clean.share()), count(row.robust.correct);
        number(row.robust.share()), number(row.robust.confidence), number(exact.lower), number(exact.upper);
        number(score.lower), number(score.upper), count(row.successes), count(row.rejected), count(row.invalid_logits);
        for (const auto& d : {row.distortion.linf, row.distortion.l2, row.distortion.l1, row.distortion.l0})
            number(d.mean), number(d.median);
        number(row.loss);
        fields.push_back(steps);
        count(row.gradient_calls), count(row.forward_calls), number(row.seconds), count(r.seed);
        fields.push_back(r.version), fields.push_back(r.date);
        out += csv_line(fields);
    }
    return out;
}

/// Writes the rows as a CSV file, atomically. Throws io_error when it cannot be written.
inline void write_csv(const report& r, const std::string& path) { write_file_atomically(path, csv_text(r)); }

}  // namespace saddle
