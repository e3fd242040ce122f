#pragma once
#include "saddle/certification/largest_epsilon.hpp"
#include "saddle/certification/partition.hpp"
#include "saddle/evaluation/report.hpp"

#include <numeric>

namespace saddle {

/// Adds what `certify` found on the Linf balls of radius epsilon to the report. Confidence: of the interval, in (0,1).
inline void add_certification(report& r, const std::string& model, const certification_result& found, double epsilon,
                              double confidence = .95, std::vector<setting> settings = {}) {
    const std::size_t n = found.status.size();
    detail::require_proportion(0, n, confidence, "add_certification");
    certified_row row{.model = model, .domain = found.domain, .level = std::string(name_of(found.level)), .epsilon = epsilon};
    row.settings = std::move(settings);
    row.clean = {n - found.count(certificate::misclassified), n, confidence};
    row.certified = {found.count(certificate::verified), n, confidence};
    row.status = found.status;
    row.seconds = std::accumulate(found.seconds.begin(), found.seconds.end(), 0.);
    r.certified.push_back(std::move(row));
}

/// Adds a curve: a row per radius.
inline void add_certification(report& r, const std::string& model, const certified_curve_result& curve, double confidence = .95) {
    for (std::size_t k = 0; k < curve.epsilons.size(); ++k)
        add_certification(r, model, curve.results[k], curve.epsilons[k], confidence);
}

/// Adds a complete partition by Linf balls. Throws invalid_argument for an unfinished one, or for one of other boxes.
inline void add_certification(report& r, const std::string& model, const partition& p, double confidence = .95) {
    require(p.complete(), "add_certification", "images done", p.status.size(), p.done);
    require(std::isfinite(p.identity.epsilon), "add_certification", "boxes of the partition", "Linf balls", p.identity.box);
    detail::require_proportion(0, p.status.size(), confidence, "add_certification");
    certified_row row{.model = model, .domain = p.identity.domain, .level = p.identity.level, .epsilon = p.identity.epsilon};
    const std::size_t n = p.status.size();
    row.clean = {n - p.count(certificate::misclassified), n, confidence};
    row.certified = {p.count(certificate::verified), n, confidence};
    row.status = p.status;
    row.seconds = p.seconds;
    r.certified.push_back(std::move(row));
}

/// Adds the largest certified radii: they are one end of the examples' brackets.
inline void add_certification(report& r, const std::string& model, const radius_result& found) {
    r.radii.push_back({model, found.domain, std::string(name_of(found.level)), found.upper, found.tolerance, found.certified,
                       std::accumulate(found.seconds.begin(), found.seconds.end(), 0.)});
}

}  // namespace saddle
