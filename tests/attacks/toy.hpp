#pragma once
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/predict.hpp"
#include "saddle/core/lanes.hpp"
#include "saddle/core/random.hpp"
#include "saddle/projections/verify.hpp"
#include "saddle/testing/archetypes.hpp"

#include <cstring>

/// Random pixels, a few of them at the ends of the range.
template <class T = float>
saddle::basic_images<T> random_images(std::size_t count, saddle::extents each, std::uint64_t seed = 1) {
    const saddle::random_stream draws({.seed = seed});
    saddle::basic_images<T> x(count, each);
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t e = 0; e < each.size(); ++e)
            x[i][e] = e % 11 == 5 ? static_cast<T>(draws.below(2, i, e)) : static_cast<T>(draws.uniform(i, e));
    return x;
}

template <class T = float>
std::vector<T> random_weights(std::size_t count, std::uint64_t seed = 2) {
    const saddle::random_stream draws({.seed = seed, .layer = 1});
    std::vector<T> w(count);
    for (std::size_t i = 0; i < count; ++i) w[i] = static_cast<T>(saddle::normal(draws, 0, i));
    return w;
}

/// Three classes on [1,5,5]: enough for every rule, small enough to check by hand.
inline constexpr saddle::extents toy_shape{1, 5, 5};

inline saddle::testing::linear_model<3> toy_linear(std::uint64_t seed = 2) { return {toy_shape, random_weights(75, seed)}; }
inline saddle::testing::quadratic_model<3> toy_quadratic() {
    auto centres = random_weights(75, 9);
    for (auto& c : centres) c = .5f + .3f * c;
    return {toy_shape, centres, 2.f};
}

/// A plain model made of another one whose logits are NaN for images with a first pixel above 0.9.
template <class M>
struct partly_broken {
    using value_type = float;
    static constexpr std::size_t classes = M::classes;
    static constexpr bool concurrent = true;
    const M* inner;
    float bad = std::numeric_limits<float>::quiet_NaN();

    saddle::extents input() const { return inner->input(); }
    void logits(const saddle::images& x, std::span<float> z) const {
        inner->logits(x, z);
        for (std::size_t i = 0; i < x.size(); ++i)
            if (x[i][0] > .9f) z[i * classes + 1] = bad;
    }
    void input_gradient(const saddle::images& x, std::span<const float> slopes, std::span<float> gradient) const {
        inner->input_gradient(x, slopes, gradient);
    }
};

/// Logits that do not depend on the image.
struct constant_model {
    using value_type = float;
    static constexpr std::size_t classes = 3;
    static constexpr bool concurrent = true;

    saddle::extents input() const { return toy_shape; }
    void logits(const saddle::images& x, std::span<float> z) const {
        for (std::size_t i = 0; i < 3 * x.size(); ++i) z[i] = i % 3 == 1 ? 1.f : 0.f;
    }
    void input_gradient(const saddle::images&, std::span<const float>, std::span<float> gradient) const {
        std::fill(gradient.begin(), gradient.end(), 0.f);
    }
};

template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}
template <class T>
bool same_bits(const saddle::basic_images<T>& a, const saddle::basic_images<T>& b) {
    return same_bits(a.values(), b.values());
}

/// What the model says, as labels: attacks start from correct predictions.
template <class M, class T>
saddle::labels predicted(const M& model, const saddle::basic_images<T>& x) {
    saddle::worker_pool pool(1);
    return saddle::predict(model, x, pool).classes;
}

/// `Count` images that the toy model with curved boundaries classifies correctly.
template <std::size_t Count>
struct toy_problem {
    saddle::testing::quadratic_model<3> model = toy_quadratic();
    saddle::images x = random_images(Count, toy_shape);
    saddle::labels y = predicted(model, x);
};
