#pragma once
#include "saddle/core/error.hpp"
#include "saddle/core/fingerprint.hpp"
#include "saddle/data/dataset.hpp"
#include "saddle/nn/plan.hpp"

#include <charconv>
#include <map>
#include <typeinfo>
#include <utility>

namespace saddle {

/// What a training is made of as names and texts, so that two can be compared entry by entry: visitor of every `describe`.
///
/// Numbers are written so that they read back to the same bits.
class recipe {
public:
    template <class Value>
    void operator()(std::string_view name, const Value& value) {
        entries_[prefix_ + std::string(name)] = written(value);
    }
    /// The constants of one part under its name: what its `describe(visit)` names, or else its type and those members that attacks,
    /// losses and projections of this library have.
    template <class Part>
    void part(std::string_view name, const Part& described) {
        const std::string outer = std::exchange(prefix_, prefix_ + std::string(name) + '.');
        if constexpr (requires { described.describe(*this); })
            described.describe(*this);
        else
            known_members(described);
        prefix_ = outer;
    }
    [[nodiscard]] const std::map<std::string, std::string>& entries() const { return entries_; }

private:
    template <class Part>
    [[gnu::cold]] void known_members(const Part& p) {
        (*this)("type", typeid(Part).name());
        if constexpr (requires { std::string(p.name); }) (*this)("name", p.name);
        if constexpr (requires { p.loss; }) part("loss", p.loss);
        if constexpr (requires { p.projection; }) part("projection", p.projection);
        if constexpr (requires { p.epsilon; }) (*this)("epsilon", p.epsilon);
        if constexpr (requires { p.step_size; }) (*this)("step_size", p.step_size);
        if constexpr (requires { p.steps; }) (*this)("steps", p.steps);
        if constexpr (requires { p.start; }) (*this)("start", p.start);
        if constexpr (requires { p.start_scale; }) (*this)("start_scale", p.start_scale);
        if constexpr (requires { p.project_start; }) (*this)("project_start", p.project_start);
        if constexpr (requires { p.momentum; }) (*this)("momentum", p.momentum);
        if constexpr (requires { p.restarts; }) (*this)("restarts", p.restarts);
        if constexpr (requires { p.targets; }) (*this)("targets", p.targets);
        if constexpr (requires { p.keep; }) (*this)("keep", p.keep);
        if constexpr (requires { p.early_stop; }) (*this)("early_stop", p.early_stop);
        if constexpr (requires { p.seed; }) (*this)("seed", p.seed);
        if constexpr (requires { p.alpha; }) (*this)("alpha", p.alpha);
        if constexpr (requires { p.clipped; }) (*this)("clipped", p.clipped);
        if constexpr (requires { p.kappa; }) (*this)("kappa", p.kappa);
        if constexpr (requires { p.few_classes; }) (*this)("few_classes", p.few_classes);
        if constexpr (requires { p.largest; }) (*this)("largest", p.largest);
        if constexpr (requires { p.slope; }) (*this)("slope", p.slope);
        if constexpr (requires { p.bound_at; }) (*this)("bound_at", p.bound_at);
        if constexpr (requires { p.hidden; }) (*this)("hidden", p.hidden);
        if constexpr (requires { p.intersect; }) (*this)("intersect", p.intersect);
    }
    template <class Value>
    static std::string written(const Value& value) {
        if constexpr (std::is_same_v<Value, bool>) {
            return value ? "true" : "false";
        } else if constexpr (std::is_arithmetic_v<Value>) {
            char digits[64];
            return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
        } else if constexpr (std::is_enum_v<Value>) {
            return written(static_cast<std::underlying_type_t<Value>>(value));
        } else {
            return std::string(value);
        }
    }

    std::map<std::string, std::string> entries_;
    std::string prefix_;
};

/// The data set's part of a recipe: name, sizes and a fingerprint of all pixels and labels.
[[gnu::cold]] inline void describe_data(recipe& r, const dataset& data) {
    r("data.name", data.name);
    r("data.images", data.size());
    r("data.extents", text(data.x.each()));
    r("data.classes", data.classes);
    const auto pixels = fingerprint(std::as_bytes(data.x.values()));
    r("data.fingerprint", fingerprint(std::as_bytes(std::span(data.y)), pixels));
}

/// The network's part of a recipe: one entry for the input and one for each operation.
[[gnu::cold]] inline void describe_network(recipe& r, const plan& p) {
    r("network.input", text(p.input()));
    for (std::size_t i = 0; i < p.operations.size(); ++i) {
        const auto& op = p.operations[i];
        const auto& w = op.window;
        r(text("network.operation ", i),
          text("kind ", static_cast<int>(op.kind), " from ", op.input, ' ', op.second == none ? 0 : op.second, " to ",
               p.tensors[op.output], " window ", w.height, 'x', w.width, '/', w.stride, '+', w.padding, " function ",
               static_cast<int>(op.function), " groups ", op.groups, " slope ", op.slope, " rate ", op.rate, " epsilon ",
               op.epsilon, " momentum ", op.momentum, ' ', op.name));
    }
}

}  // namespace saddle
