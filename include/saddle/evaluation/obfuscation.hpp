#pragma once
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/image_subset.hpp"
#include "saddle/attacks/noise.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/attacks/square.hpp"
#include "saddle/evaluation/input_gradient.hpp"
#include "saddle/evaluation/obfuscation_report.hpp"

namespace saddle {

/// Settings of `check_obfuscation`, in the Linf ball.
struct obfuscation_settings {
    double epsilon = 8. / 255;
    std::size_t steps = 40;  ///< of PGD, each 2.5 epsilon / steps
    std::size_t unbounded_steps = 200;
    std::size_t queries = 1000;      ///< of the Square attack
    std::size_t random_draws = 100;  ///< of the random search
    std::size_t repeats = 5;         ///< of the same prediction
    double tolerance = .01;          ///< share of the images by which an accuracy may be off; two images at least
    std::uint64_t seed = 0;
    const std::atomic<bool>* stop = nullptr;
};

namespace detail {

/// The measurements behind an obfuscation_report, one program at a time.
template <class P, class T>
class obfuscation_checker {
public:
    obfuscation_checker(const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                        const obfuscation_settings& s)
        : program_(program), x_(x), y_(y), pool_(pool), s_(s) {
        how_.stop = s.stop;
        const auto clean = predict(program, x, pool, how_);
        logits_ = clean.logits;
        for (std::size_t i = 0; i < x.size(); ++i)
            if (clean.classes[i] == y[i]) right_.push_back(i);
    }

    [[nodiscard]] std::vector<obfuscation_sign> signs() {
        std::vector<obfuscation_sign> all;
        if constexpr (detail::has_gradient<P>::value) {
            const double one_step = robust(fgsm({.epsilon = s_.epsilon}));
            const double iterative = robust(iterated(s_.epsilon));
            all.push_back(sign("one step beats iterations",
                               text("FGSM ", percent(one_step), ", PGD-", s_.steps, " ", percent(iterative)),
                               one_step < iterative - slack(), "a single step finds what many small ones do not",
                               "more steps fool at least as many"));
            all.push_back(black_box(iterative));
            all.push_back(random_search(iterative));
            all.push_back(unbounded());
            all.push_back(larger_bound(iterative));
            zero_gradients(all);
        } else {
            for (const char* name : {"one step beats iterations", "black box beats white box", "random search succeeds",
                                     "unbounded attack fails", "larger bound does not help", "zero gradients"})
                all.push_back({name, "", sign_verdict::unknown, "the model gives no gradient"});
        }
        all.push_back(randomised());
        all.push_back(probabilities());
        return all;
    }

private:
    /// By how much accuracies of these images may differ without a suspicion.
    [[nodiscard]] double slack() const { return std::max(s_.tolerance, 2.5 / static_cast<double>(x_.size())); }
    [[nodiscard]] static std::string percent(double share) { return percent_text(share) + " %"; }
    [[nodiscard]] obfuscation_sign sign(std::string name, std::string measured, bool suspicious, const char* why,
                                        const char* why_not) const {
        if (right_.empty()) return {std::move(name), "", sign_verdict::unknown, "no image is classified correctly"};
        return {std::move(name), std::move(measured), suspicious ? sign_verdict::suspicious : sign_verdict::clear,
                suspicious ? why : why_not};
    }
    [[nodiscard]] auto iterated(double epsilon) const {
        return pgd({.epsilon = epsilon,
                    .step_size = std::max(2.5 * epsilon / static_cast<double>(s_.steps), 1e-9),
                    .steps = s_.steps,
                    .keep = keep_rule::best,
                    .early_stop = true,
                    .seed = s_.seed});
    }
    /// Share of all images that stay right under an attack on `chosen`, those that are not chosen being wrong already; left_ are they.
    template <class A>
    [[nodiscard]] double robust(const A& attack, const std::vector<std::size_t>& chosen) {
        left_.clear();
        if (chosen.empty()) return 0;
        const image_subset<T> part(chosen, x_, y_, how_, nullptr);
        const auto found = perturb(attack, program_, part.x, part.y, pool_, part.settings);
        for (std::size_t j = 0; j < chosen.size(); ++j)
            if (!found.success[j]) left_.push_back(chosen[j]);
        return static_cast<double>(left_.size()) / static_cast<double>(x_.size());
    }
    template <class A>
    [[nodiscard]] double robust(const A& attack) {
        return robust(attack, right_);
    }

    [[nodiscard]] obfuscation_sign black_box(double iterative) {
        const auto survivors = left_;
        const double after = robust(square({.epsilon = s_.epsilon, .queries = s_.queries, .seed = s_.seed}), survivors);
        left_ = survivors;
        return sign("black box beats white box", text("after PGD ", percent(iterative), ", after Square ", percent(after)),
                    after < iterative - slack(), "queries find adversarial images where gradients do not",
                    "queries add nothing to gradients");
    }
    [[nodiscard]] obfuscation_sign random_search(double iterative) {
        const auto survivors = left_;
        noise<linf> draws{.projection = {s_.epsilon}, .samples = s_.random_draws, .early_stop = true, .seed = s_.seed};
        const double after = robust(draws, survivors);
        left_ = survivors;
        return sign("random search succeeds",
                    text("after PGD ", percent(iterative), ", after ", s_.random_draws, " random points ", percent(after)),
                    after < iterative - slack(), "random points of the ball fool where gradients do not",
                    "random points add nothing to gradients");
    }
    [[nodiscard]] obfuscation_sign unbounded() {
        const double left = robust(pgd<box_only>(
            {.step_size = .05, .steps = s_.unbounded_steps, .keep = keep_rule::best, .early_stop = true, .seed = s_.seed}));
        return sign("unbounded attack fails", text("accuracy without a bound ", percent(left)), left > slack(),
                    "any image is allowed, yet the attack does not find one of another class",
                    "without a bound everything is fooled");
    }
    [[nodiscard]] obfuscation_sign larger_bound(double iterative) {
        const double twice = robust(iterated(2 * s_.epsilon)), four_times = robust(iterated(4 * s_.epsilon));
        const bool grows = twice > iterative + slack() || four_times > twice + slack();
        const bool stays = iterative > slack() && four_times >= iterative - slack();
        return sign(
            "larger bound does not help",
            text("accuracy at epsilon ", percent(iterative), ", twice ", percent(twice), ", four times ", percent(four_times)),
            grows || stays, "a larger ball contains the smaller one, yet no more images are fooled",
            "a larger bound fools more images");
    }
    void zero_gradients(std::vector<obfuscation_sign>& all) {
        basic_images<T> x(right_.size(), x_.each());
        labels y;
        for (std::size_t j = 0; j < right_.size(); ++j) {
            std::copy_n(x_[right_[j]].data(), x_.each().size(), x[j].data());
            y.push_back(y_[right_[j]]);
        }
        std::size_t zero = 0, zero_margin = 0, broken = 0;
        if (!right_.empty()) {
            const auto entropy = input_gradients(program_, x, y, pool_),
                       margin = input_gradients(program_, x, y, pool_, logit_margin{});
            for (std::size_t j = 0; j < x.size(); ++j) {
                const auto flat = [](std::span<const T> g) {
                    return std::all_of(g.begin(), g.end(), [](T v) { return v == 0; });
                };
                zero += flat(entropy[j]);
                zero_margin += flat(margin[j]);
                for (const T v : margin[j])
                    if (!std::isfinite(v)) {
                        ++broken;
                        break;
                    }
            }
        }
        all.push_back(
            sign("zero gradients", text(zero, " of the cross-entropy, ", zero_margin, " of the margin, of ", right_.size()),
                 zero + zero_margin > 0,
                 zero_margin > 0 ? "the model's gradient vanishes" : "the cross-entropy is saturated: attack the margin or DLR",
                 "no gradient vanishes"));
        all.push_back(sign("NaN gradients", text(broken, " of ", right_.size()), broken > 0, "the model's gradient is not finite",
                           "all gradients are finite"));
    }
    [[nodiscard]] obfuscation_sign randomised() {
        const std::size_t k = program_.classes();
        double largest = 0;
        for (std::size_t r = 1; r < s_.repeats; ++r) {
            auto again = how_;
            again.draw = static_cast<std::uint32_t>(r);
            const auto now = predict(program_, x_, pool_, again);
            for (std::size_t i = 0; i < x_.size(); ++i) largest = std::max(largest, difference(i, k, now.logits));
        }
        const bool differs = !(largest <= 1e-4);
        return {"randomised outputs", text("largest difference ", short_text(largest)),
                differs ? sign_verdict::suspicious : sign_verdict::clear,
                differs ? "the same image gives other logits: average gradients over the randomness (EOT)"
                        : "the same image gives the same logits"};
    }
    /// L2 distance of two predictions of image i, each divided by its length.
    [[nodiscard]] double difference(std::size_t i, std::size_t k, const std::vector<T>& other) const {
        const auto length = [&](const std::vector<T>& z) {
            double sum = 0;
            for (std::size_t c = 0; c < k; ++c) sum += static_cast<double>(z[i * k + c]) * static_cast<double>(z[i * k + c]);
            return std::sqrt(sum) + 1e-10;
        };
        const double a = length(logits_), b = length(other);
        double sum = 0;
        for (std::size_t c = 0; c < k; ++c) {
            const double d = static_cast<double>(logits_[i * k + c]) / a - static_cast<double>(other[i * k + c]) / b;
            sum += d * d;
        }
        return std::sqrt(sum);
    }
    [[nodiscard]] obfuscation_sign probabilities() const {
        const std::size_t k = program_.classes();
        bool all = !x_.empty();
        for (std::size_t i = 0; i < x_.size() && all; ++i) {
            double sum = 0;
            for (std::size_t c = 0; c < k; ++c) {
                const auto z = static_cast<double>(logits_[i * k + c]);
                sum += z;
                all = all && z >= -1e-5 && z <= 1 + 1e-5;
            }
            all = all && std::abs(sum - 1) <= 1e-5;
        }
        return {"softmax outputs", all ? "every output is a probability distribution" : "outputs are logits",
                all ? sign_verdict::suspicious : sign_verdict::clear,
                all ? "the outputs are probabilities: give the logits before the softmax" : "losses get what they expect"};
    }

    const P& program_;
    const basic_images<T>& x_;
    const labels& y_;
    worker_pool& pool_;
    const obfuscation_settings& s_;
    run_settings how_;
    std::vector<T> logits_;
    std::vector<std::size_t> right_, left_;  ///< images classified correctly; those that survived the last attack
};

}  // namespace detail

/// Checks whether a model's robustness to gradients can be trusted: the five signs of obfuscated gradients (Athalye et al. 2018), zero and
/// NaN gradients, randomised outputs, outputs that are probabilities (the last two as the reference of AutoAttack tests them).
///
/// x [N,C,H,W] in [0,1] with labels y; a few hundred images do. A sign is suspicious where accuracies differ by more than
/// settings.tolerance of the images and more than two of them, and every sign comes with its numbers and the reason. Of models without
/// gradients only the last two are known. epsilon in (0,1]. Throws like `perturb`.
template <class M, class T>
[[nodiscard]] obfuscation_report check_obfuscation(std::string name, const M& model, const basic_images<T>& x, const labels& y,
                                                   worker_pool& pool, const obfuscation_settings& settings = {}) {
    constexpr std::string_view where = "check_obfuscation";
    require(settings.epsilon > 0 && settings.epsilon <= 1, where, "epsilon", "a number in (0,1]", settings.epsilon);
    require<data_error>(!x.empty(), where, "number of images", "at least 1", 0);
    require(settings.steps >= 1 && settings.unbounded_steps >= 1, where, "steps", "at least 1",
            std::min(settings.steps, settings.unbounded_steps));
    require(settings.tolerance >= 0 && settings.tolerance <= 1, where, "tolerance", "a number in [0,1]", settings.tolerance);
    require(settings.queries >= 1 && settings.random_draws >= 1, where, "queries and random_draws", "at least 1",
            std::min(settings.queries, settings.random_draws));
    require(settings.repeats >= 2, where, "repeats", "at least 2", settings.repeats);
    return with_program(model, [&](const auto& program) {
        require_fitting_images(program, x, where);
        require_valid_labels(y, x.size(), program.classes(), where);
        detail::obfuscation_checker<std::remove_cvref_t<decltype(program)>, T> checker(program, x, y, pool, settings);
        return obfuscation_report{std::move(name), settings.epsilon, checker.signs()};
    });
}

}  // namespace saddle
