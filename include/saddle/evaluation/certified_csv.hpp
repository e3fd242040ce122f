#pragma once
#include "saddle/evaluation/certified_views.hpp"
#include "saddle/evaluation/report_csv.hpp"

namespace saddle {

/// The report's certified rows as CSV (RFC 4180, CRLF): a header, then one line per model, domain and epsilon. Shares lie in [0,1].
[[nodiscard, gnu::cold]] inline std::string certified_csv_text(const report& r) {
    std::string out = "data,model,domain,soundness,epsilon,settings,examples,clean_correct,clean_accuracy,verified,certified_"
                      "accuracy,confidence,"
                      "certified_lower,certified_upper,certified_wilson_lower,certified_wilson_upper,attacked_accuracy,seconds,"
                      "version,date\r\n";
    for (const auto& row : r.certified) {
        const auto exact = row.certified.exact_interval(), score = row.certified.score_interval();
        out += csv_line({r.data_name,
                         row.model,
                         row.domain,
                         row.level,
                         csv_number(row.epsilon),
                         settings_text(row.settings),
                         std::to_string(row.certified.examples),
                         std::to_string(row.clean.correct),
                         csv_number(row.clean.share()),
                         std::to_string(row.certified.correct),
                         csv_number(row.certified.share()),
                         csv_number(row.certified.confidence),
                         csv_number(exact.lower),
                         csv_number(exact.upper),
                         csv_number(score.lower),
                         csv_number(score.upper),
                         csv_number(attacked_accuracy(r, row.model, row.epsilon).share()),
                         csv_number(row.seconds),
                         r.version,
                         r.date});
    }
    return out;
}

/// The brackets of all certified models as CSV: a header, then one line per model and correctly classified example; the last field is
/// empty where no attack changed the class.
[[nodiscard, gnu::cold]] inline std::string bracket_csv_text(const report& r) {
    std::string out = "data,model,example,proved,broken\r\n";
    for (const auto& list : brackets_of(r))
        for (const auto& b : list.brackets)
            out += csv_line({r.data_name, list.model, std::to_string(b.example), csv_number(b.proved), csv_number(b.broken)});
    return out;
}

/// Writes the certified rows as a CSV file, atomically. Throws io_error when it cannot be written.
inline void write_certified_csv(const report& r, const std::string& path) { write_file_atomically(path, certified_csv_text(r)); }
/// Writes the brackets as a CSV file, atomically. Throws io_error when it cannot be written.
inline void write_bracket_csv(const report& r, const std::string& path) { write_file_atomically(path, bracket_csv_text(r)); }

}  // namespace saddle
