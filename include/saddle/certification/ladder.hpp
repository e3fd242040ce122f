#pragma once
#include "saddle/certification/certify.hpp"

#include <array>
#include <tuple>

namespace saddle {

namespace detail {

/// The names of domains, joined at compile time.
template <class First, class... Rest>
inline constexpr auto ladder_name = [] {
    constexpr std::string_view between = ", then ";
    std::array<char, First::name.size() + (0 + ... + (between.size() + Rest::name.size()))> out{};
    std::size_t at = 0;
    const auto append = [&](std::string_view part) {
        for (const char c : part) out[at++] = c;
    };
    append(First::name);
    ((append(between), append(Rest::name)), ...);
    return out;
}();

}  // namespace detail

/// Domains from cheap to precise: `ladder<box, deep_poly>`. Each runs only on what those before it left open; a margin is the best of
/// the domains that were run.
template <class... Domains>
struct ladder {
    static_assert(sizeof...(Domains) > 0, "saddle: a ladder needs at least one domain");

    std::tuple<Domains...> domains{};

    ladder() = default;
    explicit ladder(const Domains&... each) : domains(each...) {}

    /// "Box, then DeepPoly".
    static constexpr std::string_view name{detail::ladder_name<Domains...>.data(), detail::ladder_name<Domains...>.size()};

    /// Names every domain's settings under its name.
    template <class Visit>
    void describe(Visit&& visit) const {
        std::apply([&](const auto&... each) { (visit.part(Domains::name, each), ...); }, domains);
    }

    template <class V>
    class analysis;
};

/// One analysis of each domain.
template <class... Domains>
template <class V>
class ladder<Domains...>::analysis {
public:
    using T = typename V::value_type;
    static_assert((Domain<Domains, V> && ...), "saddle: a ladder holds a type that is not a domain (docs/certification.md)");

    analysis(const bound_network<T>& network, const ladder& settings, rounding_model rounding) : classes_(network.classes()) {
        std::apply(
            [&](const auto&... domain) {
                steps_ = {std::make_unique<typename Domains::template analysis<V>>(network, domain, rounding)...};
            },
            settings.domains);
    }

    /// Lower bounds of logit[label] - logit[j] over the box [C,H,W] for every j, 0 at j = label.
    template <class Value>
    void margins(const Value* lower, const Value* upper, std::size_t label, double* margin) {
        bool first = true, proven = false;
        found_.resize(classes_);
        const auto run = [&](auto& analysis) {
            if (proven) return;
            analysis->margins(lower, upper, label, first ? margin : found_.data());
            if (!first)
                for (std::size_t j = 0; j < classes_; ++j)
                    if (found_[j] > margin[j] || std::isnan(margin[j])) margin[j] = found_[j];
            first = false;
            proven = true;
            for (std::size_t j = 0; j < classes_; ++j) proven = proven && (j == label || margin[j] >= 0);
            runs_ += 1;
        };
        std::apply([&](auto&... analysis) { (run(analysis), ...); }, steps_);
    }
    /// Analyses run so far, over all domains.
    [[nodiscard]] std::size_t runs() const { return runs_; }

private:
    std::tuple<std::unique_ptr<typename Domains::template analysis<V>>...> steps_;  // some refer to themselves: not to be moved
    std::size_t classes_, runs_ = 0;
    std::vector<double> found_;
};

}  // namespace saddle
