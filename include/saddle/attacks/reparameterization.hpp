#pragma once
#include "saddle/attacks/image_subset.hpp"
#include "saddle/projections/box_only.hpp"

namespace saddle {

/// A differentiable map from parameters w in [0,1]^m to images, for `reparameterize`. With spans of T, one image at a time:
///   extents parameters() const;           what w looks like
///   void map(w, x) const;                 x = h(w)
///   void pull_back(w, dx, dw) const;      dw = (dh/dw)ᵀ dx
///   void start(x, w) const;               the w that an attack on x begins at
template <class H, class T>
concept Reparameterization = requires(const H& h, std::span<const T> in, std::span<T> out) {
    { h.parameters() } -> std::same_as<extents>;
    h.map(in, out);
    h.pull_back(in, in, out);
    h.start(in, out);
};

namespace detail {

/// The model as a function of w: h, then the program.
template <class P, class H>
class reparameterized_program {
public:
    using inner_session = std::remove_cvref_t<decltype(std::declval<const P&>().make_session())>;
    using vector = typename inner_session::vector;
    using value_type = lane_scalar<vector>;

    reparameterized_program(const P& program, const H& h) : program_(&program), h_(&h) {}
    [[nodiscard]] extents input() const { return h_->parameters(); }
    [[nodiscard]] std::size_t classes() const { return program_->classes(); }

    class session {
    public:
        using vector = typename inner_session::vector;
        using value_type = lane_scalar<vector>;
        using T = value_type;

        session(const P& program, const H& h)
            : inner_(program.make_session()), h_(&h), w_(h.parameters().size()), slope_(w_.size()), x_(program.input().size()),
              block_(x_.size() * lanes), gradient_(block_.size()), parameters_(w_.size() * lanes) {}

        void forward(const T* w, T* logits) {
            std::copy_n(w, parameters_.size(), parameters_.begin());
            for (std::size_t l = 0; l < lanes; ++l) {
                for (std::size_t e = 0; e < w_.size(); ++e) w_[e] = w[e * lanes + l];
                h_->map(std::span<const T>(w_), std::span<T>(x_));
                for (std::size_t e = 0; e < x_.size(); ++e) block_[e * lanes + l] = x_[e];
            }
            inner_.forward(block_.data(), logits);
        }
        void backward(const T* slopes, T* gradient) requires DifferentiableSession<inner_session> {
            inner_.backward(slopes, gradient_.data());
            for (std::size_t l = 0; l < lanes; ++l) {
                for (std::size_t e = 0; e < w_.size(); ++e) w_[e] = parameters_[e * lanes + l];
                for (std::size_t e = 0; e < x_.size(); ++e) x_[e] = gradient_[e * lanes + l];
                h_->pull_back(std::span<const T>(w_), std::span<const T>(x_), std::span<T>(slope_));
                for (std::size_t e = 0; e < w_.size(); ++e) gradient[e * lanes + l] = slope_[e];
            }
        }
        void redraw(const std::uint64_t* ids, const std::uint64_t* draws) requires RandomizedSession<inner_session> {
            inner_.redraw(ids, draws);
        }

    private:
        static constexpr std::size_t lanes = lane_values<vector>::size;
        inner_session inner_;
        const H* h_;
        std::vector<T> w_, slope_, x_;
        lane_vector<T> block_, gradient_, parameters_;
    };
    [[nodiscard]] session make_session() const { return session(*program_, *h_); }

private:
    const P* program_;
    const H* h_;
};

}  // namespace detail

/// Attack through x = h(w) (Athalye et al. 2018): where a defence g maps inputs onto a set that h parameterises, g(h(w)) = h(w), the
/// attack moves w and never meets g's gradient. Made by `reparameterize`.
///
/// The inner attack works on w with its own projection, steps and start; the image is h(w'), cut to [0,1] and judged on the model as it
/// is. attack_result::distances tells how far it is from x. Images farther from x than projection.epsilon do not count.
template <class A, class H>
struct reparameterized_attack {
    using projection_type = linf;
    static constexpr bool needs_gradient = A::needs_gradient;

    A attack;
    H h;
    linf projection{};  ///< what the images may differ from x; epsilon 1: anything
    std::string name = text(attack.name, " through h");
    target_rule targets = attack.targets;

    [[nodiscard]] bool targeted() const { return attack.targeted(); }
    void validate(std::string_view where) const {
        attack.validate(where);
        projection.validate(where);
    }

    template <class P, class T>
    [[nodiscard]] attack_result<T> run(const P& program, const basic_images<T>& x, const labels& y, worker_pool& pool,
                                       const run_settings& how) const {
        static_assert(Reparameterization<H, T>,
                      "saddle: this type has no parameters, map, pull_back and start (docs/attacks.md)");
        const detail::reparameterized_program<P, H> composed(program, h);
        basic_images<T> w(x.size(), h.parameters());
        for (std::size_t i = 0; i < x.size(); ++i) h.start(x[i], w[i]);
        auto inside = how;
        inside.examples_only = inside.verify = false;
        inside.epsilons = {};
        auto moved = perturb(attack, composed, w, y, pool, inside);
        attack_result<T> r = std::move(moved);
        const auto parameters = std::move(r.adversarial);
        r.adversarial = basic_images<T>(x.size(), x.each());
        r.distances.resize(x.size());
        run_settings asking;
        asking.stop = how.stop;
        asking.ids = how.ids;
        r.clean_predictions = detail::run_prediction(program, x, pool, asking).classes;
        for (std::size_t i = 0; i < x.size(); ++i) {
            h.map(std::span<const T>(parameters[i]), r.adversarial[i]);
            for (T& v : r.adversarial[i]) v = v == v ? std::clamp(v, T(0), T(1)) : T(0);
        }
        const auto after = detail::run_prediction(program, r.adversarial, pool, asking).classes;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const bool hit = after[i] >= 0 && (targeted() ? after[i] == r.targets[i] : after[i] != y[i]);
            const double radius = how.epsilons.empty() ? projection.epsilon : how.epsilons[i];
            r.adversarial_predictions[i] = after[i];
            const auto size = measure_perturbation(x[i], std::span<const T>(r.adversarial[i]), x.each());
            r.success[i] = hit && detail::within(projection, x[i], std::span<const T>(r.adversarial[i]), radius, size.linf);
            r.status[i] = r.success[i]   ? attack_status::succeeded
                          : after[i] < 0 ? attack_status::not_finite
                                         : attack_status::failed;
            if (!r.success[i]) std::copy_n(x[i].data(), x.each().size(), r.adversarial[i].data());
            r.distances[i] = r.success[i] ? size : perturbation_size{};
            if (!r.success[i]) r.adversarial_predictions[i] = r.clean_predictions[i];
        }
        trim_result(r, how);
        return r;
    }
};

/// `attack` on the parameters of `h`; images farther than `epsilon` (Linf) from x do not count and give the clean image.
template <class A, class H>
[[nodiscard]] reparameterized_attack<A, H> reparameterize(const A& attack, const H& h, double epsilon = 1) {
    return {attack, h, {epsilon}};
}

}  // namespace saddle
