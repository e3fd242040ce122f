#pragma once
#include "saddle/attacks/image_subset.hpp"
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/predict.hpp"
#include "saddle/data/dataset.hpp"
#include "saddle/evaluation/attack_description.hpp"
#include "saddle/evaluation/judge.hpp"
#include "saddle/projections/verify.hpp"

#include <chrono>
#include <tuple>

namespace saddle {

/// What an evaluation is doing: attack `attack` of `attacks` on `done` of `total` images.
struct evaluation_progress {
    std::string_view model, name;
    double epsilon = 0;
    std::size_t attack = 0, attacks = 0, done = 0, total = 0;
};

/// How models are evaluated. Threads are those of the pool, seeds those of the attacks.
struct evaluation_settings {
    double confidence = .95;          ///< of the intervals, in (0,1)
    bool iterations = true;           ///< record the accuracy after every iteration (untargeted attacks)
    bool worst_case = true;           ///< add a row for all attacks of one epsilon and norm together, when there are several
    bool survivors_only = false;      ///< each attack gets only what those before it, of its epsilon and norm, have not fooled
    std::uint64_t max_forwards = 0;   ///< hard budget of each image and attack, see run_settings; 0: none
    std::uint64_t max_gradients = 0;  ///< the same of gradients
    /// When it is over, the attack at work ends with the best it has and further ones do not begin; notes say so.
    std::optional<std::chrono::steady_clock::time_point> deadline{};
    std::size_t keep = 0;                  ///< keep what each attack made of the first so many images, for pictures
    std::span<const std::uint64_t> ids{};  ///< identity of each image for random draws; 0 .. N-1 by default
    std::function<void(const evaluation_progress&)> progress{};  ///< from one thread at a time
    const std::atomic<bool>* stop = nullptr;                     ///< when it becomes true, the evaluation ends with `interrupted`
};

/// What one attack made of the first images.
template <class T>
struct kept_images {
    std::string attack;
    double epsilon = 0;
    basic_images<T> adversarial;
    labels predictions;
};

/// The outcome for one model.
template <class T>
struct evaluation {
    std::string model;
    accuracy clean;
    labels clean_predictions;          ///< -1: logits not finite
    std::vector<attack_row> rows;      ///< one per attack and epsilon
    std::vector<kept_images<T>> kept;  ///< one per attack and epsilon when settings.keep > 0
    std::vector<std::string> notes;    ///< results that were not counted, logits that are not finite
};

namespace detail {

template <class A>
const A& attack_of(const A& a) {
    return a;
}
template <class A>
const A& attack_of(const named_attack<A>& a) {
    return a.attack;
}
template <class A>
std::string title_of(const A& a) {
    return attack_name(a);
}
template <class A>
std::string title_of(const named_attack<A>& a) {
    return a.name;
}

/// Runs attacks on one program and judges what they return; the clean logits are computed once.
template <class P, class T>
class evaluator {
public:
    evaluator(const std::string& model, const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
              const evaluation_settings& settings)
        : program_(program), x_(x), y_(y), pool_(pool), settings_(settings), classes_(program.classes()) {
        require<data_error>(!x.empty(), "evaluate", "number of images", "at least 1", 0);
        require(settings.confidence > 0 && settings.confidence < 1, "evaluate", "confidence", "a number in (0,1)",
                settings.confidence);
        require_valid_labels(y, x.size(), classes_, "evaluate");
        result_.model = model;
        auto clean = predict(program, x, pool, run());
        clean_logits_ = std::move(clean.logits);
        result_.clean = {0, x.size(), settings.confidence};
        for (std::size_t i = 0; i < x.size(); ++i) result_.clean.correct += clean.classes[i] == y[i];
        result_.clean_predictions = std::move(clean.classes);
        if (clean.not_finite > 0)
            result_.notes.push_back(text(result_.model, ": the logits of ", clean.not_finite,
                                         " clean images are NaN or infinite; these count as wrong"));
    }

    template <class Attack>
    void add(const Attack& named, std::size_t index, std::size_t attacks) {
        add(attack_of(named), title_of(named), index, attacks);
    }

    /// Adds the worst case over the rows from `first` on, for each epsilon and norm that has several.
    [[gnu::cold]] void add_worst_cases(std::size_t first) {
        if (!settings_.worst_case) return;
        std::vector<std::vector<attack_row>> groups;
        for (std::size_t i = first; i < result_.rows.size(); ++i) {
            const auto& row = result_.rows[i];
            const auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) {
                return g.front().epsilon == row.epsilon && g.front().norm == row.norm;
            });
            if (group == groups.end())
                groups.push_back({row});
            else
                group->push_back(row);
        }
        for (const auto& group : groups)
            if (group.size() > 1) result_.rows.push_back(worst_case(group));
    }

    [[nodiscard]] evaluation<T> take() { return std::move(result_); }

private:
    template <class Attack>
    void add(const Attack& attack, const std::string& title, std::size_t index, std::size_t attacks) {
        attack_row row;
        row.model = result_.model, row.attack = title, row.norm = norm_name(attack);
        row.epsilon = static_cast<double>(attack.projection.epsilon);
        row.settings = attack_settings(attack);
        const auto how = run_of(row, attack.targeted(), index, attacks);
        auto& left = survivors_of(row);
        const auto start = std::chrono::steady_clock::now();
        const auto found =
            settings_.survivors_only ? attack_survivors(attack, left, how) : perturb(attack, program_, x_, y_, pool_, how);
        row.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        std::size_t restarts = 1;
        if constexpr (requires { attack.restarts; }) restarts = attack.restarts;
        finish(row, found, recheck_images(program_, attack.projection, x_, found.adversarial, {}, pool_, run()), left, restarts);
    }
    /// How an attack is run: judged later, with the evaluation's budgets; progress names the row, which must stay where it is.
    [[nodiscard]] run_settings run_of(const attack_row& row, bool targeted, std::size_t index, std::size_t attacks) const {
        auto how = run();
        how.verify = false;
        how.max_forwards = settings_.max_forwards, how.max_gradients = settings_.max_gradients;
        how.deadline = settings_.deadline;
        how.trace = settings_.iterations && !targeted && !settings_.survivors_only;
        how.progress = [this, &row, index, attacks](std::size_t done, std::size_t total) {
            if (settings_.progress) settings_.progress({result_.model, row.attack, row.epsilon, index, attacks, done, total});
        };
        return how;
    }
    /// Judges what an attack returned, and adds its row, notes and pictures.
    void finish(attack_row& row, const attack_result<T>& found, const recheck<T>& checked, std::vector<std::uint8_t>& left,
                std::size_t restarts) {
        row.gradient_calls = found.gradient_calls, row.forward_calls = found.forward_calls;
        std::vector<std::uint8_t> claimed = found.success;
        for (std::size_t i = 0; i < found.targets.size(); ++i) claimed[i] = claimed[i] && found.targets[i] != y_[i];
        judge(
            row,
            attack_evidence<T>{x_, found.adversarial, y_, classes_, clean_logits_, checked.after.logits, checked.inside, claimed},
            settings_.confidence);
        for (const auto& stage : found.stages)
            row.settings.emplace_back(stage.name, text(stage.left, " left of ", stage.attacked, ", ", stage.gradient_calls,
                                                       " gradients, ", stage.forward_calls, " queries, ", stage.seconds, " s"));
        if (settings_.survivors_only) {
            row.settings.emplace_back("attacked", std::count(left.begin(), left.end(), 1));
            for (std::size_t i = 0; i < left.size(); ++i) left[i] = row.survived[i] = row.survived[i] && left[i];
            row.robust.correct = static_cast<std::size_t>(std::count(left.begin(), left.end(), 1));
        }
        if (const auto late = std::count(found.status.begin(), found.status.end(), attack_status::not_begun); late > 0)
            result_.notes.push_back(text(result_.model, ", ", row.attack, ": the deadline left ", late,
                                         " images without an attack; they count as robust"));
        if (found.trace.columns > 0) row.accuracy_after_step = accuracies(found.trace, restarts);
        for (auto& note : notes_of(row)) result_.notes.push_back(std::move(note));
        if (const std::size_t keep = std::min(settings_.keep, x_.size()); keep > 0)
            result_.kept.push_back(
                {row.attack, row.epsilon, found.adversarial.slice(0, keep),
                 labels(checked.after.classes.begin(), checked.after.classes.begin() + static_cast<std::ptrdiff_t>(keep))});
        result_.rows.push_back(std::move(row));
    }

    /// What has been fooled by no attack of the row's norm and epsilon yet: [N] 0 or 1, at first what is classified correctly.
    std::vector<std::uint8_t>& survivors_of(const attack_row& row) {
        for (auto& [norm, epsilon, left] : survivors_)
            if (norm == row.norm && epsilon == row.epsilon) return left;
        std::vector<std::uint8_t> all(x_.size());
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = result_.clean_predictions[i] == y_[i];
        return std::get<2>(survivors_.emplace_back(row.norm, row.epsilon, std::move(all)));
    }
    /// The attack on what is left, as a result for all images: the others keep their clean pixels.
    template <class Attack>
    [[nodiscard]] attack_result<T> attack_survivors(const Attack& attack, const std::vector<std::uint8_t>& left,
                                                    const run_settings& how) const {
        std::vector<std::size_t> chosen;
        for (std::size_t i = 0; i < left.size(); ++i)
            if (left[i]) chosen.push_back(i);
        if (chosen.empty()) return spread({}, chosen);
        image_subset<T> part(chosen, x_, y_, how, nullptr);
        part.settings.progress = how.progress;
        return spread(perturb(attack, program_, part.x, part.y, pool_, part.settings), chosen);
    }
    /// What was found on the chosen images as a result for all.
    [[nodiscard]] attack_result<T> spread(const attack_result<T>& found, const std::vector<std::size_t>& chosen) const {
        attack_result<T> all;
        all.adversarial = x_;
        all.success.assign(x_.size(), 0);
        if (!found.targets.empty()) all.targets = y_;
        for (std::size_t j = 0; j < chosen.size(); ++j) {
            const std::size_t i = chosen[j];
            std::copy_n(found.adversarial[j].data(), x_.each().size(), all.adversarial[i].data());
            all.success[i] = found.success[j];
            if (!found.targets.empty()) all.targets[i] = found.targets[j];
        }
        all.status = found.status;
        all.stages = found.stages;
        all.gradient_calls = found.gradient_calls, all.forward_calls = found.forward_calls;
        return all;
    }
    [[nodiscard]] run_settings run() const {
        run_settings how;
        how.ids = settings_.ids;
        how.stop = settings_.stop;
        return how;
    }
    /// Share of images that no restart has fooled at iterate s.
    [[nodiscard]] static std::vector<double> accuracies(const attack_trace<T>& trace, std::size_t restarts) {
        const std::size_t images = trace.success.size() / trace.columns, steps = trace.columns / restarts;
        std::vector<double> out(steps);
        for (std::size_t s = 0; s < steps; ++s) {
            std::size_t correct = 0;
            for (std::size_t i = 0; i < images; ++i) {
                bool fooled = false;
                for (std::size_t r = 0; r < restarts; ++r) fooled = fooled || trace.success[i * trace.columns + r * steps + s];
                correct += !fooled;
            }
            out[s] = static_cast<double>(correct) / static_cast<double>(images);
        }
        return out;
    }

    const P& program_;
    const basic_images<T>& x_;
    const labels& y_;
    worker_pool& pool_;
    const evaluation_settings& settings_;
    std::size_t classes_;
    std::vector<T> clean_logits_;
    std::vector<std::tuple<std::string, double, std::vector<std::uint8_t>>> survivors_;  ///< by norm and epsilon
    evaluation<T> result_;
};

}  // namespace detail

/// Clean and robust accuracy of a model on images [N,C,H,W] in [0,1] with labels, under each of the attacks (or named_attack).
///
/// Every adversarial image is checked apart from its attack: ball and range in real arithmetic, class by a new prediction; see
/// judge. All numbers but the seconds are the same for any number of threads. Throws data_error or shape_error for images and
/// labels that do not fit, invalid_argument for settings out of range, `interrupted` when settings.stop becomes true.
template <class M, class T, class... Attacks>
[[nodiscard]] evaluation<T> evaluate(const std::string& name, const M& model, const basic_images<T>& x, const labels& y,
                                     worker_pool& pool, const evaluation_settings& settings, const Attacks&... attacks) {
    return with_program(model, [&](const auto& program) {
        detail::evaluator<std::remove_cvref_t<decltype(program)>, T> run(name, program, x, y, pool, settings);
        std::size_t index = 0;
        (run.add(attacks, index++, sizeof...(attacks)), ...);
        run.add_worst_cases(0);
        return run.take();
    });
}
template <class M, class... Attacks>
[[nodiscard]] evaluation<float> evaluate(const std::string& name, const M& model, const dataset& data, worker_pool& pool,
                                         const evaluation_settings& settings, const Attacks&... attacks) {
    return evaluate(name, model, data.x, data.y, pool, settings, attacks...);
}

/// The same for a range of bounds: each factory makes an attack (or named_attack) from an epsilon, so that its step may depend on
/// it.
template <class M, class T, class... Factories>
[[nodiscard]] evaluation<T> epsilon_curve(const std::string& name, const M& model, const basic_images<T>& x, const labels& y,
                                          std::span<const double> epsilons, worker_pool& pool,
                                          const evaluation_settings& settings, const Factories&... factories) {
    return with_program(model, [&](const auto& program) {
        detail::evaluator<std::remove_cvref_t<decltype(program)>, T> run(name, program, x, y, pool, settings);
        std::size_t index = 0;
        const auto sweep = [&](const auto& factory) {
            for (const double epsilon : epsilons) run.add(factory(epsilon), index++, epsilons.size() * sizeof...(factories));
        };
        (sweep(factories), ...);
        run.add_worst_cases(0);
        return run.take();
    });
}
template <class M, class... Factories>
[[nodiscard]] evaluation<float> epsilon_curve(const std::string& name, const M& model, const dataset& data,
                                              std::span<const double> epsilons, worker_pool& pool,
                                              const evaluation_settings& settings, const Factories&... factories) {
    return epsilon_curve(name, model, data.x, data.y, epsilons, pool, settings, factories...);
}

}  // namespace saddle
