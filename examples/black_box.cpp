// A model of your own, seen only through its outputs: any class with logits(). The attack gets its gradient from finite differences
// that the class computes with its own queries.
#include "saddle/attacks/pgd.hpp"
#include "saddle/data/generated_digits.hpp"
#include "saddle/evaluation/evaluate.hpp"

#include <atomic>
#include <iostream>

using namespace saddle;

/// Nearest class mean: logits are minus the squared distances to each digit's average image.
class nearest_mean {
public:
    using value_type = float;
    static constexpr std::size_t classes = 10;
    static constexpr bool concurrent = true;  ///< logits() may be called by several threads at once

    explicit nearest_mean(const dataset& train) : means_(classes, train.x.each()) {
        std::vector<float> count(classes);
        for (const auto label : train.y) ++count[static_cast<std::size_t>(label)];
        for (std::size_t i = 0; i < train.size(); ++i) {
            const auto mean = means_[static_cast<std::size_t>(train.y[i])];
            for (std::size_t e = 0; e < mean.size(); ++e) mean[e] += train.x[i][e] / count[static_cast<std::size_t>(train.y[i])];
        }
    }
    [[nodiscard]] extents input() const { return means_.each(); }

    /// Model: logits [N][classes] of images [N,C,H,W].
    void logits(const images& x, std::span<float> out) const {
        queries += x.size();
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t k = 0; k < classes; ++k) {
                float distance = 0;
                for (std::size_t e = 0; e < x[i].size(); ++e) distance += (x[i][e] - means_[k][e]) * (x[i][e] - means_[k][e]);
                out[i * classes + k] = -distance;
            }
    }
    /// DifferentiableModel, optional: here estimated from logits() alone, by two queries per pixel.
    void input_gradient(const images& x, std::span<const float> slopes, std::span<float> gradient) const {
        constexpr float step = 1e-2F;
        std::vector<float> above(classes), below(classes);
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t e = 0; e < x.each().size(); ++e) {
                auto moved = x.slice(i, 1);
                moved[0][e] = x[i][e] + step;
                logits(moved, above);
                moved[0][e] = x[i][e] - step;
                logits(moved, below);
                float sum = 0;
                for (std::size_t k = 0; k < classes; ++k) sum += slopes[i * classes + k] * (above[k] - below[k]) / (2 * step);
                gradient[i * x.each().size() + e] = sum;
            }
    }
    mutable std::atomic<std::size_t> queries = 0;

private:
    images means_;
};

int main() {
    const auto data = generated_digits(2000, 32, 0);
    const nearest_mean model(data.train);
    worker_pool pool;
    const auto found =
        evaluate("nearest mean", model, data.test, pool, {}, pgd(pgd_settings{.epsilon = .1, .step_size = .025, .steps = 5}));
    std::cout << "clean " << 100 * found.clean.share() << " %, under PGD-5 at epsilon .1 " << 100 * found.rows[0].robust.share()
              << " %, " << model.queries << " queries\n";
}
