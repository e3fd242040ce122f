#pragma once
#include "attacks/toy.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/attacks/sampling_session.hpp"
#include "saddle/losses/logit_margin.hpp"

/// The gradient of the logit margin (label 0) that a source estimates at image `z` of a linear model of two classes, in double.
template <class Source>
std::vector<double> estimated_margin_gradient(const Source& source, const std::vector<double>& weights,
                                              const std::vector<double>& z, std::uint64_t id = 7) {
    const saddle::testing::linear_model<2, double> model({1, 1, z.size()}, weights);
    const saddle::plain_program program(model);
    using session = std::remove_cvref_t<decltype(program.make_session())>;
    typename Source::template session<session> estimating(source, program.make_session(), model.input(), 2);
    const saddle::run_settings how;
    saddle::block_job<double, 1> job;
    job.settings = &how;
    job.ids[0] = id;
    const double goal = 0, truth = 0;
    const std::size_t zero = 0;
    const bool wanted = true;
    const saddle::logit_margin loss;
    const saddle::attack_objective<saddle::logit_margin, double> objective{&loss, 2, false, &goal, &truth, nullptr};
    std::vector<double> gradient(z.size());
    estimating.estimate(job, {3, &zero, &zero, &wanted}, z.data(), gradient.data(), objective);
    CHECK(job.forwards[0] == estimating.passes());
    return gradient;
}

/// Cosine of the angle between two vectors.
inline double cosine(const std::vector<double>& a, const std::vector<double>& b) {
    double product = 0, x = 0, y = 0;
    for (std::size_t i = 0; i < a.size(); ++i) product += a[i] * b[i], x += a[i] * a[i], y += b[i] * b[i];
    return product / std::sqrt(x * y);
}
