#pragma once
#include "saddle/core/images.hpp"
#include "saddle/evaluation/report.hpp"
#include "saddle/projections/perturbation_size.hpp"

namespace saddle {

/// The class of the largest logit, the first of equals; -1 when a logit is NaN or the largest is infinite.
template <class T>
[[nodiscard]] std::int32_t top_class(std::span<const T> logits) {
    std::size_t best = 0;
    for (std::size_t k = 0; k < logits.size(); ++k) {
        if (std::isnan(logits[k])) return -1;
        if (logits[k] > logits[best]) best = k;
    }
    return logits.empty() || std::isinf(logits[best]) ? -1 : static_cast<std::int32_t>(best);
}

/// The classes that logits [N][K] choose, see top_class.
template <class T>
[[nodiscard]] labels top_classes(std::span<const T> logits, std::size_t classes) {
    labels out(logits.size() / classes);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = top_class(logits.subspan(i * classes, classes));
    return out;
}

/// Cross-entropy of logits [K] against class y in natural logarithms, computed in double; NaN for logits that are not finite.
template <class T>
[[nodiscard]] double cross_entropy_of(std::span<const T> logits, std::int32_t y) {
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (const T z : logits) {
        if (!std::isfinite(z)) return not_measured;
        largest = std::max(largest, static_cast<double>(z));
    }
    for (const T z : logits) sum += std::exp(static_cast<double>(z) - largest);
    return std::log(sum) + largest - static_cast<double>(logits[static_cast<std::size_t>(y)]);
}

/// What an attack delivered, and what was found apart from it.
template <class T>
struct attack_evidence {
    const basic_images<T>& original;
    const basic_images<T>& adversarial;
    const labels& truth;
    std::size_t classes = 0;
    std::span<const T> clean_logits, logits;     ///< [N][K] of the original and the adversarial images
    std::span<const std::uint8_t> inside;        ///< [N] 1 where the adversarial image lies in ball and range
    std::span<const std::uint8_t> claimed = {};  ///< [N] 1 where the attack says that it succeeded; may be empty
};

/// Fills the counts of `row` (clean, robust, successes, rejected, invalid_logits, distortions, loss, survived), each example on
/// its own.
///
/// An example is robust when its clean and its adversarial image are classified correctly. A success needs a correct clean image
/// and a wrong, valid class for an adversarial image inside ball and range. A result outside is no success and does not lower the
/// robust accuracy; it is counted in `rejected`, as is a claim that the model does not confirm. Logits that are not finite are
/// never a correct class, hence not robust, and no success either. Throws shape_error when sizes differ.
template <class T>
void judge(attack_row& row, const attack_evidence<T>& e, double confidence = .95) {
    const std::size_t n = e.original.size(), k = e.classes;
    require<shape_error>(e.adversarial.size() == n && e.adversarial.each() == e.original.each() && e.truth.size() == n, "judge",
                         "images and labels", text(n, " of each, of one shape"),
                         text(e.adversarial.size(), " and ", e.truth.size()));
    require<shape_error>(e.clean_logits.size() == n * k && e.logits.size() == n * k && e.inside.size() == n &&
                             (e.claimed.empty() || e.claimed.size() == n),
                         "judge", "logits and checks", text(n * k, " logits, ", n, " checks"),
                         text(e.logits.size(), ", ", e.inside.size()));
    require_valid_labels(e.truth, n, k, "judge");
    row.clean = row.robust = {0, n, confidence};
    row.successes = row.rejected = row.invalid_logits = 0;
    row.survived.assign(n, 0);
    std::vector<double> linf, l2, l1, l0;
    double loss = 0;
    std::size_t losses = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const auto before = e.clean_logits.subspan(i * k, k), after = e.logits.subspan(i * k, k);
        const std::int32_t y = e.truth[i], first = top_class(before), second = top_class(after);
        const bool clean = first == y, claimed = !e.claimed.empty() && e.claimed[i];
        row.clean.correct += clean;
        row.invalid_logits += first < 0 || second < 0;
        const bool success = clean && e.inside[i] && second >= 0 && second != y;
        const bool robust = clean && (!e.inside[i] || second == y);
        row.rejected += !e.inside[i] || (clean && claimed && !success);
        row.robust.correct += robust;
        row.survived[i] = robust;
        if (const double value = cross_entropy_of(after, y); e.inside[i] && std::isfinite(value)) loss += value, ++losses;
        if (!success) continue;
        ++row.successes;
        const auto size = measure_perturbation(e.original[i], e.adversarial[i], e.original.each());
        linf.push_back(size.linf), l2.push_back(size.l2), l1.push_back(size.l1), l0.push_back(size.l0);
    }
    row.distortion = {summarize(linf), summarize(l2), summarize(l1), summarize(l0)};
    row.loss = losses == 0 ? not_measured : loss / static_cast<double>(losses);
}

/// The sentences that a reader of the row must see: rejected results and invalid logits; empty when there is nothing to say.
[[nodiscard, gnu::cold]] inline std::vector<std::string> notes_of(const attack_row& row) {
    std::vector<std::string> notes;
    const std::string where = text(row.model, ", ", row.attack, ", epsilon ", row.epsilon, ": ");
    if (row.rejected > 0)
        notes.push_back(
            text(where, row.rejected,
                 " results lie outside the ball or [0,1] or are not confirmed by the model; they are not counted as successes"));
    if (row.invalid_logits > 0)
        notes.push_back(text(where, row.invalid_logits, " examples have NaN or infinite logits; they count as not robust"));
    return notes;
}

/// What the attacks achieve together on one model at one epsilon and norm: an example is robust only if it survives them all.
/// Distortions and losses stay empty, calls and seconds are summed. Throws invalid_argument for no rows, shape_error for unlike
/// example counts.
[[nodiscard, gnu::cold]] inline attack_row worst_case(const std::vector<attack_row>& rows, std::string name = "worst case") {
    require(!rows.empty(), "worst_case", "number of rows", "at least 1", 0);
    attack_row all = rows.front();
    all.attack = std::move(name);
    all.settings = {};
    all.distortion = {};
    all.loss = not_measured;
    all.accuracy_after_step.clear();
    std::string attacks = rows.front().attack;
    for (std::size_t r = 1; r < rows.size(); ++r) {
        const auto& row = rows[r];
        require<shape_error>(row.survived.size() == all.survived.size(), "worst_case", "examples of '" + row.attack + "'",
                             all.survived.size(), row.survived.size());
        for (std::size_t i = 0; i < all.survived.size(); ++i) all.survived[i] = all.survived[i] && row.survived[i];
        all.rejected += row.rejected;
        all.invalid_logits = std::max(all.invalid_logits, row.invalid_logits);
        all.gradient_calls += row.gradient_calls, all.forward_calls += row.forward_calls, all.seconds += row.seconds;
        attacks += " + " + row.attack;
    }
    all.robust.correct = static_cast<std::size_t>(std::count(all.survived.begin(), all.survived.end(), std::uint8_t{1}));
    all.successes = all.clean.correct - all.robust.correct;
    all.settings.emplace_back("attacks", attacks);
    return all;
}

/// Compares two models (or attacks) on the same examples by McNemar's exact test. Throws shape_error unless both rows know the
/// outcome of the same number of examples.
[[nodiscard, gnu::cold]] inline paired_comparison compare(const attack_row& first, const attack_row& second) {
    require<shape_error>(!first.survived.empty() && first.survived.size() == second.survived.size(), "compare",
                         "examples with outcomes", text(first.survived.size(), ", more than 0"), second.survived.size());
    paired_comparison c{first.model, second.model, text(first.attack, ", epsilon ", first.epsilon)};
    for (std::size_t i = 0; i < first.survived.size(); ++i) {
        const bool a = first.survived[i], b = second.survived[i];
        ++(a ? (b ? c.both : c.only_first) : (b ? c.only_second : c.neither));
    }
    c.p_value = mcnemar_exact(c.only_first, c.only_second);
    return c;
}

}  // namespace saddle
