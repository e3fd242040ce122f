#pragma once
#include "saddle/attacks/apgd.hpp"
#include "saddle/attacks/auto_attack_state.hpp"
#include "saddle/attacks/fab.hpp"
#include "saddle/attacks/image_subset.hpp"
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/square.hpp"

namespace saddle {

/// The attacks that AutoAttack is made of.
enum class auto_attack_part { apgd_ce, apgd_dlr, apgd_t, fab, fab_t, square };

/// Which of them run, and how (Croce & Hein 2020; reference: fra31/auto-attack).
enum class auto_attack_version {
    standard,  ///< APGD-CE, APGD-T, FAB-T, Square; L1: larger epsilons, 5 restarts of APGD-CE, 5 target classes of APGD-T
    plus,      ///< APGD-CE, APGD-DLR and FAB with 5 restarts each, Square, APGD-T, FAB-T
    rand,      ///< for models with randomness: APGD-CE and APGD-DLR, each gradient the mean of 20 draws
    custom     ///< auto_attack_settings::parts
};

/// Settings of `auto_attack`; only epsilon has to be given.
struct auto_attack_settings {
    double epsilon = 8. / 255;
    auto_attack_version version = auto_attack_version::standard;
    std::vector<auto_attack_part> parts{};  ///< of version custom, in this order
    attack_profile profile = attack_profile::official;
    std::uint64_t seed = 0;
    std::string state_path{};        ///< file that the state is saved in and resumed from; empty: none
    std::size_t save_every = 1000;   ///< images after which a part saves
    std::size_t steps = 100;         ///< of APGD and FAB
    std::size_t queries = 5000;      ///< of Square
    std::size_t target_classes = 9;  ///< of APGD-T and FAB-T; L1 standard: at most 5 of APGD-T
    std::size_t restarts = 5;        ///< of APGD-CE, APGD-DLR and FAB, where the version does not say 1
};

[[nodiscard]] inline const char* name_of(auto_attack_part part) {
    switch (part) {
    case auto_attack_part::apgd_ce:
        return "APGD-CE";
    case auto_attack_part::apgd_dlr:
        return "APGD-DLR";
    case auto_attack_part::apgd_t:
        return "APGD-T";
    case auto_attack_part::fab:
        return "FAB";
    case auto_attack_part::fab_t:
        return "FAB-T";
    case auto_attack_part::square:
        return "Square";
    }
    return "unknown";
}
[[nodiscard]] inline const char* name_of(auto_attack_version version) {
    switch (version) {
    case auto_attack_version::standard:
        return "standard";
    case auto_attack_version::plus:
        return "plus";
    case auto_attack_version::rand:
        return "rand";
    case auto_attack_version::custom:
        return "custom";
    }
    return "unknown";
}

/// AutoAttack (Croce & Hein 2020): its parts one after another, each only on the images that are still classified correctly. Made by
/// `auto_attack`.
///
/// Every part ends an image at its first success, which changes no verdict. With fewer than four classes DLR falls back as
/// dlr::few_classes says, and there are as many targets as there are wrong classes. With state_path set, what has been reached is
/// saved after every save_every images of a part, and a run with the same settings, model and images goes on from there and ends with
/// the same bits. attack_result::stages tells what each part did. Budgets and deadline hold over all parts.
template <class ProjectionType>
struct auto_attack_ensemble {
    using projection_type = ProjectionType;
    static constexpr bool needs_gradient = true;
    static constexpr target_rule targets = target_rule::untargeted;

    std::string_view name = "AutoAttack";
    ProjectionType projection{};
    auto_attack_settings settings{};

    [[nodiscard]] static bool targeted() { return false; }
    [[nodiscard]] std::vector<auto_attack_part> parts() const {
        using enum auto_attack_part;
        switch (settings.version) {
        case auto_attack_version::standard:
            return {apgd_ce, apgd_t, fab_t, square};
        case auto_attack_version::plus:
            return {apgd_ce, apgd_dlr, fab, square, apgd_t, fab_t};
        case auto_attack_version::rand:
            return {apgd_ce, apgd_dlr};
        case auto_attack_version::custom:
            break;
        }
        return settings.parts;
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("version", name_of(settings.version));
        std::string names;
        for (const auto part : parts()) names += text(names.empty() ? "" : " ", name_of(part));
        visit("parts", names);
        visit("profile", name_of(settings.profile));
        visit("steps", settings.steps);
        visit("queries", settings.queries);
        visit("target_classes", settings.target_classes);
        visit("restarts", settings.restarts);
        visit("seed", settings.seed);
    }
    void validate(std::string_view where) const {
        projection.validate(where);
        require(settings.version == auto_attack_version::custom || settings.parts.empty(), where,
                "auto_attack_settings::parts of another version than custom", "none", settings.parts.size());
        require(!parts().empty(), where, "auto_attack_settings::parts", "at least one", 0);
        require(settings.save_every >= 1, where, "save_every", "at least 1", settings.save_every);
        require(settings.target_classes >= 1, where, "target_classes", "at least 1", settings.target_classes);
        gradient_part<cross_entropy>(auto_attack_part::apgd_ce).validate(where);
        boundary_part(auto_attack_part::fab).validate(where);
        search_part().validate(where);
    }

    template <class P, class T>
    [[nodiscard]] attack_result<T> run(const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                                       const run_settings& how) const {
        auto judged = how;
        judged.examples_only = judged.trace = false;
        auto_attack_state<T> state{detail::make_result<T>(*this, x, judged), std::vector<std::uint32_t>(x.size())};
        state.result.adversarial = x;
        state.result.distances.resize(x.size());
        for (const auto part : parts()) state.result.stages.push_back({.name = name_of(part)});
        const auto clean = begin(state, program, x, y, pool, how);
        settings_text recipe;
        describe(recipe);
        recipe("epsilon", projection.epsilon);
        const std::uint64_t data =
            fingerprint(std::as_bytes(std::span(clean.logits)), fingerprint_run(x, y, how.ids, how.epsilons));
        if (!settings.state_path.empty() && std::filesystem::exists(settings.state_path))
            state.load(settings.state_path, recipe.str(), data, x);

        for (std::size_t p = 0; p < state.result.stages.size(); ++p) {
            auto waiting = waiting_for(state, p, how);
            while (!waiting.empty() && !how.expired()) {
                const std::size_t count =
                    settings.state_path.empty() ? waiting.size() : std::min(settings.save_every, waiting.size());
                attack(state, p, program, std::span<const std::size_t>(waiting).first(count), x, y, pool, how);
                waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(count));
                if (!settings.state_path.empty() && !how.expired()) state.save(settings.state_path, recipe.str(), data);
            }
            auto& left = state.result.stages[p].left;
            left = 0;
            for (std::size_t i = 0; i < x.size(); ++i) left += state.result.success[i] == 0;
        }
        state.result.forward_calls = spent_since(state.result.forwards, how.forwards_spent);
        state.result.gradient_calls = spent_since(state.result.gradients, how.gradients_spent);
        trim_result(state.result, how);
        return std::move(state.result);
    }

private:
    /// The clean predictions; images that are misclassified already are over.
    template <class P, class T>
    predictions<T> begin(auto_attack_state<T>& state, const P& program, const basic_images<T>& x, const labels& y,
                         worker_pool& pool, const run_settings& how) const {
        run_settings quiet;
        quiet.stop = how.stop;
        quiet.ids = how.ids;
        auto clean = detail::run_prediction(program, x, pool, quiet);
        auto& r = state.result;
        for (std::size_t i = 0; i < x.size(); ++i) {
            ++r.forwards[i];
            r.clean_predictions[i] = r.adversarial_predictions[i] = clean.classes[i];
            const bool wrong = clean.classes[i] >= 0 && clean.classes[i] != y[i];
            r.success[i] = wrong;
            r.status[i] = wrong                  ? attack_status::succeeded
                          : clean.classes[i] < 0 ? attack_status::not_finite
                                                 : attack_status::failed;
        }
        return clean;
    }
    /// Images that part p has yet to attack: not fooled, through all parts before, and with something left of their budgets.
    template <class T>
    [[nodiscard]] std::vector<std::size_t> waiting_for(auto_attack_state<T>& state, std::size_t p,
                                                       const run_settings& how) const {
        std::vector<std::size_t> all;
        const auto& r = state.result;
        for (std::size_t i = 0; i < r.success.size(); ++i) {
            if (r.success[i] || state.parts_done[i] != p) continue;
            if ((how.max_forwards > 0 && r.forwards[i] >= how.max_forwards) ||
                (how.max_gradients > 0 && r.gradients[i] >= how.max_gradients))
                continue;
            all.push_back(i);
        }
        return all;
    }
    template <class P, class T>
    void attack(auto_attack_state<T>& state, std::size_t p, const P& program, std::span<const std::size_t> chosen,
                const basic_images<T>& x, const labels& y, worker_pool& pool, const run_settings& how) const {
        auto& r = state.result;
        auto& stage = r.stages[p];
        image_subset<T> part(chosen, x, y, how, &r);
        if (how.progress) {
            const std::size_t n = x.size();
            std::size_t over = 0;
            for (std::size_t i = 0; i < n; ++i) over += r.success[i] || state.parts_done[i] > p;
            part.settings.progress = [&how, first = p * n + over, all = n * r.stages.size()](std::size_t done, std::size_t) {
                how.progress(first + done, all);
            };
        }
        const auto start = std::chrono::steady_clock::now();
        const auto found = run_part(parts()[p], program, part.x, part.y, pool, part.settings);
        stage.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        stage.gradient_calls += found.gradient_calls;
        stage.forward_calls += found.forward_calls;
        stage.attacked += part.x.size();
        for (std::size_t j = 0; j < chosen.size(); ++j) {
            if (found.status[j] != attack_status::not_begun) ++state.parts_done[chosen[j]];
            stage.successes += found.success[j];
        }
        merge_part(r, found, chosen, [](const auto& now, std::size_t j, const auto& before, std::size_t i) {
            return now.success[j] || (now.status[j] != attack_status::not_begun && before.status[i] == attack_status::failed);
        });
    }

    template <class P, class T>
    [[nodiscard]] attack_result<T> run_part(auto_attack_part part, const P& program, const basic_images<T>& x, const labels& y,
                                            worker_pool& pool, const run_settings& how) const {
        using enum auto_attack_part;
        switch (part) {
        case apgd_ce:
            return detail::run_attack(gradient_part<cross_entropy>(part), program, x, y, pool, how);
        case apgd_dlr:
        case apgd_t:
            return detail::run_attack(gradient_part<dlr>(part), program, x, y, pool, how);
        case fab:
        case fab_t:
            return detail::run_attack(boundary_part(part), program, x, y, pool, how);
        case square:
            break;
        }
        return detail::run_attack(search_part(), program, x, y, pool, how);
    }
    template <class Loss>
    [[nodiscard]] auto gradient_part(auto_attack_part part) const {
        constexpr bool is_l1 = std::is_same_v<ProjectionType, l1>;
        const bool standard = settings.version == auto_attack_version::standard, targeted = part == auto_attack_part::apgd_t;
        const std::size_t most = standard && is_l1 ? 5 : settings.target_classes;
        const bool once = targeted || settings.version == auto_attack_version::rand || (standard && !is_l1);
        Loss loss;
        if constexpr (std::is_same_v<Loss, dlr>) loss.few_classes = true;
        auto attack = apgd<ProjectionType>({.epsilon = projection.epsilon,
                                            .steps = settings.steps,
                                            .restarts = once ? 1 : settings.restarts,
                                            .target_classes = targeted ? std::min(settings.target_classes, most) : 0,
                                            .larger_epsilons = standard && is_l1,
                                            .keep = keep_rule::first_success,
                                            .early_stop = true,
                                            .profile = settings.profile,
                                            .seed = settings.seed},
                                           loss);
        if (settings.version == auto_attack_version::rand) attack.samples = 20;
        return attack;
    }
    [[nodiscard]] auto boundary_part(auto_attack_part part) const {
        const bool targeted = part == auto_attack_part::fab_t;
        return fab<ProjectionType>({.epsilon = projection.epsilon,
                                    .steps = settings.steps,
                                    .restarts = targeted ? 1 : settings.restarts,
                                    .target_classes = targeted ? settings.target_classes : 0,
                                    .early_stop = true,
                                    .seed = settings.seed});
    }
    [[nodiscard]] auto search_part() const {
        return saddle::square<ProjectionType>(
            {.epsilon = projection.epsilon, .queries = settings.queries, .profile = settings.profile, .seed = settings.seed});
    }
};

/// AutoAttack for linf, l2 or l1: `auto_attack({.epsilon = .3})`.
template <class Projection = linf>
[[nodiscard]] auto_attack_ensemble<Projection> auto_attack(const auto_attack_settings& s = {}) {
    static_assert(std::is_same_v<Projection, linf> || std::is_same_v<Projection, l2> || std::is_same_v<Projection, l1>,
                  "saddle: AutoAttack is defined for linf, l2 and l1 (docs/auto_attack.md)");
    auto_attack_ensemble<Projection> ensemble;
    ensemble.projection.epsilon = s.epsilon;
    ensemble.settings = s;
    return ensemble;
}

}  // namespace saddle
