// expected-error: saddle: this attack needs a gradient, but the model has none
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/pgd.hpp"

struct black_box {
    using value_type = float;
    static constexpr std::size_t classes = 2;
    [[nodiscard]] saddle::extents input() const { return {1, 1, 1}; }
    void logits(const saddle::images& x, std::span<float> out) const {
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = i % 2 == 0 ? x[i / 2][0] : 0;
    }
#ifdef SADDLE_COMPILES
    void input_gradient(const saddle::images&, std::span<const float> logits_gradient, std::span<float> gradient) const {
        for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] = logits_gradient[2 * i];
    }
#endif
};

auto attack(const saddle::images& x, const saddle::labels& y) { return saddle::perturb(saddle::pgd(), black_box{}, x, y); }
