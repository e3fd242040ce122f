#pragma once
#include "saddle/core/images.hpp"

#include <functional>

/// Any model of K classes behind one type, so that the ensemble is compiled once.
template <std::size_t K>
struct any_model {
    using value_type = float;
    static constexpr std::size_t classes = K;
    static constexpr bool concurrent = true;
    saddle::extents each;
    std::function<void(const saddle::images&, std::span<float>)> values;
    std::function<void(const saddle::images&, std::span<const float>, std::span<float>)> slopes;

    template <class M>
    explicit any_model(const M& m)
        : each(m.input()), values([m](const saddle::images& x, std::span<float> z) { m.logits(x, z); }),
          slopes([m](const saddle::images& x, std::span<const float> s, std::span<float> g) { m.input_gradient(x, s, g); }) {}
    saddle::extents input() const { return each; }
    void logits(const saddle::images& x, std::span<float> z) const { values(x, z); }
    void input_gradient(const saddle::images& x, std::span<const float> s, std::span<float> g) const { slopes(x, s, g); }
};
