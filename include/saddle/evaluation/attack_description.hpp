#pragma once
#include "saddle/attacks/rules.hpp"
#include "saddle/attacks/targets.hpp"
#include "saddle/evaluation/report.hpp"

namespace saddle {

/// Visitor of a `describe(visit)`: collects what it names, the parts of a part under its name and a '_'.
struct setting_visitor {
    std::vector<setting>& all;
    std::string prefix{};

    template <class Value>
    void operator()(std::string_view name, const Value& value) {
        if constexpr (std::is_constructible_v<setting, std::string, const Value&>)
            all.emplace_back(prefix + std::string(name), value);
        else
            all.emplace_back(prefix + std::string(name), text(value));
    }
    /// A part without a `describe` is described by its name alone.
    template <class Part>
    void part(std::string_view name, const Part& described) {
        if constexpr (requires { described.describe(*this); })
            described.describe(setting_visitor{all, prefix + std::string(name) + '_'});
        else if constexpr (requires { std::string(described.name); })
            (*this)(name, std::string(described.name));
    }
};

/// The settings that an object of the library names by `describe(visit)`: trainer settings, optimizers, objectives, schedules.
template <class D>
[[nodiscard]] std::vector<setting> described_settings(const D& described) {
    std::vector<setting> all;
    described.describe(setting_visitor{all});
    return all;
}

/// Settings of an attack for a report: what its `describe` names, otherwise those members of the usual names that it has. A loss
/// or projection with a `describe` is described by that, under "loss_" and "projection_".
template <class A>
[[nodiscard, gnu::cold]] std::vector<setting> attack_settings(const A& a) {
    std::vector<setting> all;
    const auto add = [&](const char* name, const auto& value) { all.emplace_back(name, value); };
    setting_visitor visit{all};
    if constexpr (requires { a.describe(visit); }) {
        a.describe(visit);
        return all;
    }
    if constexpr (requires { a.loss.name; }) add("loss", std::string(a.loss.name));
    if constexpr (requires { a.loss.describe(visit); }) {
        visit.part("loss", a.loss);
    } else {
        if constexpr (requires { a.loss.alpha; }) add("loss_alpha", a.loss.alpha);
        if constexpr (requires { a.loss.kappa; }) add("loss_kappa", a.loss.kappa);
        if constexpr (requires { a.loss.few_classes; }) add("loss_few_classes", a.loss.few_classes);
    }
    if constexpr (requires { a.projection.describe(visit); })
        visit.part("projection", a.projection);
    else if constexpr (requires { a.projection.largest; })
        add("projection_largest", a.projection.largest);
    if constexpr (requires { a.step_size; }) add("step_size", a.step_size);
    if constexpr (requires { a.steps; }) add("steps", a.steps);
    if constexpr (requires { a.restarts; }) add("restarts", a.restarts);
    if constexpr (requires { a.start; }) add("start", name_of(a.start));
    if constexpr (requires {
                      a.start_scale;
                      a.start;
                  })
        if (a.start == start_rule::gaussian || a.start == start_rule::random_sign) add("start_scale", a.start_scale);
    if constexpr (requires { a.project_start; }) add("project_start", a.project_start);
    if constexpr (requires { a.momentum; }) add("momentum", a.momentum);
    if constexpr (requires { a.targets; }) add("targets", name_of(a.targets));
    if constexpr (requires { a.keep; }) add("keep", name_of(a.keep));
    if constexpr (requires { a.early_stop; }) add("early_stop", a.early_stop);
    if constexpr (requires { a.seed; }) add("seed", a.seed);
    return all;
}

/// How a report calls an attack: "FGSM", "PGD-20", "PGD-50 × 10" (restarts), with the loss and the targets where they are not
/// usual.
template <class A>
[[nodiscard]] std::string attack_name(const A& a) {
    std::string name = "attack";
    if constexpr (requires { std::string(a.name); }) name = std::string(a.name);
    if constexpr (requires { a.steps; })
        if (a.steps > 1) name += text('-', a.steps);
    if constexpr (requires { a.restarts; })
        if (a.restarts > 1) name += text(" × ", a.restarts);
    if constexpr (requires { a.loss.name; })
        if (a.loss.name != "cross_entropy") name += text(' ', a.loss.name);
    if constexpr (requires { a.targets; })
        if (a.targets != target_rule::untargeted) name += text(" to ", name_of(a.targets));
    return name;
}

/// The norm of an attack's ball as people write it: "Linf", "L2"; "box" for the data range alone.
template <class A>
[[nodiscard]] std::string norm_name(const A& a) {
    std::string name(std::remove_cvref_t<decltype(a.projection)>::name);
    if (name == "box_only") return "box";
    if (!name.empty() && name[0] == 'l') name[0] = 'L';
    return name;
}

/// An attack under a name of its own, for reports that hold several variants of one.
template <class A>
struct named_attack {
    std::string name;
    A attack;
};
template <class A>
named_attack(std::string, A) -> named_attack<A>;
template <class A>
named_attack(const char*, A) -> named_attack<A>;

}  // namespace saddle
