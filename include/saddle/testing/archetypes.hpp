#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/core/images.hpp"
#include "saddle/losses/lane_values.hpp"

#include <array>

namespace saddle::testing {

/// Plain model z = W x + b, the simplest that any attack must solve exactly: its input gradient is constant per class.
///
/// `weights` is [K][C*H*W]; sums run over the elements in order, image by image, so results do not depend on the batch.
template <std::size_t Classes, class T = float>
class linear_model {
public:
    using value_type = T;
    static constexpr std::size_t classes = Classes;
    static constexpr bool concurrent = true;

    linear_model(extents input, std::vector<T> weights, std::array<T, Classes> bias = {})
        : input_(input), weights_(std::move(weights)), bias_(bias) {
        require<shape_error>(weights_.size() == Classes * input.size(), "linear_model", "number of weights",
                             Classes * input.size(), weights_.size());
    }
    [[nodiscard]] extents input() const { return input_; }
    [[nodiscard]] const std::vector<T>& weights() const { return weights_; }
    [[nodiscard]] T bias(std::size_t k) const { return bias_[k]; }

    void logits(const basic_images<T>& x, std::span<T> z) const {
        const std::size_t n = input_.size();
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t k = 0; k < Classes; ++k) {
                T sum = bias_[k];
                for (std::size_t e = 0; e < n; ++e) sum += weights_[k * n + e] * x[i][e];
                z[i * Classes + k] = sum;
            }
    }
    void input_gradient(const basic_images<T>& x, std::span<const T> slopes, std::span<T> gradient) const {
        const std::size_t n = input_.size();
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t e = 0; e < n; ++e) {
                T sum = 0;
                for (std::size_t k = 0; k < Classes; ++k) sum += slopes[i * Classes + k] * weights_[k * n + e];
                gradient[i * n + e] = sum;
            }
    }

private:
    extents input_;
    std::vector<T> weights_;
    std::array<T, Classes> bias_;
};

/// Plain model z_k = -curvature/2 · ‖x - centre_k‖2²: the nearest centre wins, and the gradient depends on x.
template <std::size_t Classes, class T = float>
class quadratic_model {
public:
    using value_type = T;
    static constexpr std::size_t classes = Classes;
    static constexpr bool concurrent = true;

    /// `centres` [K][C*H*W].
    quadratic_model(extents input, std::vector<T> centres, T curvature = 1)
        : input_(input), centres_(std::move(centres)), curvature_(curvature) {
        require<shape_error>(centres_.size() == Classes * input.size(), "quadratic_model", "number of centre coordinates",
                             Classes * input.size(), centres_.size());
    }
    [[nodiscard]] extents input() const { return input_; }

    void logits(const basic_images<T>& x, std::span<T> z) const {
        const std::size_t n = input_.size();
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t k = 0; k < Classes; ++k) {
                T sum = 0;
                for (std::size_t e = 0; e < n; ++e) sum += (x[i][e] - centres_[k * n + e]) * (x[i][e] - centres_[k * n + e]);
                z[i * Classes + k] = -curvature_ / 2 * sum;
            }
    }
    void input_gradient(const basic_images<T>& x, std::span<const T> slopes, std::span<T> gradient) const {
        const std::size_t n = input_.size();
        for (std::size_t i = 0; i < x.size(); ++i)
            for (std::size_t e = 0; e < n; ++e) {
                T sum = 0;
                for (std::size_t k = 0; k < Classes; ++k)
                    sum -= slopes[i * Classes + k] * curvature_ * (x[i][e] - centres_[k * n + e]);
                gradient[i * n + e] = sum;
            }
    }

private:
    extents input_;
    std::vector<T> centres_;
    T curvature_;
};

/// A model that hides another's gradient: all that a black-box attack may use.
template <class M>
class black_box {
public:
    using value_type = typename M::value_type;
    static constexpr std::size_t classes = M::classes;

    explicit black_box(const M& model) : model_(&model) {}
    [[nodiscard]] extents input() const { return model_->input(); }
    void logits(const basic_images<value_type>& x, std::span<value_type> z) const { model_->logits(x, z); }

private:
    const M* model_;
};

/// A linear model as a program with sessions, the form backends have; `Vector` is the register its blocks are made of.
template <class Vector>
class linear_program {
public:
    using value_type = lane_scalar<Vector>;
    using vector = Vector;
    using T = value_type;

    /// `weights` [K][C*H*W].
    linear_program(extents input, std::size_t classes, std::vector<T> weights)
        : input_(input), classes_(classes), weights_(std::move(weights)) {}
    [[nodiscard]] extents input() const { return input_; }
    [[nodiscard]] std::size_t classes() const { return classes_; }

    class session {
    public:
        using value_type = T;
        using vector = Vector;
        explicit session(const linear_program& of) : of_(&of) {}

        void forward(const T* x, T* logits) {
            const std::size_t n = of_->input_.size();
            for (std::size_t k = 0; k < of_->classes_; ++k) {
                Vector sum(0);
                for (std::size_t e = 0; e < n; ++e)
                    sum = multiply_add(Vector(of_->weights_[k * n + e]), io::load(x + e * io::size), sum);
                io::store(logits + k * io::size, sum);
            }
        }
        void backward(const T* slopes, T* gradient) {
            const std::size_t n = of_->input_.size();
            for (std::size_t e = 0; e < n; ++e) {
                Vector sum(0);
                for (std::size_t k = 0; k < of_->classes_; ++k)
                    sum = multiply_add(Vector(of_->weights_[k * n + e]), io::load(slopes + k * io::size), sum);
                io::store(gradient + e * io::size, sum);
            }
        }

    private:
        using io = lane_values<Vector>;
        const linear_program* of_;
    };

    [[nodiscard]] session make_session() const { return session(*this); }

private:
    extents input_;
    std::size_t classes_;
    std::vector<T> weights_;
};

}  // namespace saddle::testing
