#pragma once
#include "saddle/attacks/gradient_attack.hpp"
#include "saddle/attacks/perturb.hpp"
#include "saddle/core/array_lanes.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/training_settings.hpp"

#include <functional>
#include <memory>

/// The CUDA backend behind plain functions, so that tests compiled without nvcc can compare it with the reference backend.
namespace device {

enum class arithmetic { fp32, tf32, bf16, tf32_wgmma, bf16_wgmma };

using block_loss = std::function<void(const float*, std::size_t, std::size_t, float*)>;

struct session {
    virtual ~session() = default;
    virtual void forward(const float* x, float* logits) = 0;
    virtual void backward(const float* slopes, float* gradient) = 0;
};
struct program {
    virtual ~program() = default;
    virtual std::unique_ptr<session> make_session() const = 0;
    virtual void fuse_small_networks(bool on) = 0;
    virtual void logits(const saddle::images& x, std::span<float> z) const = 0;
    virtual bool attack(const saddle::gradient_attack<>& attack, const saddle::images& x, const saddle::labels& y,
                        const saddle::run_settings& settings, saddle::attack_result<float>& result) const = 0;
};
struct trainer {
    virtual ~trainer() = default;
    virtual void differentiate(std::span<const float> parameters, std::span<float> buffers, const saddle::images& x,
                               std::span<const std::uint64_t> ids, const saddle::training_settings& settings,
                               const block_loss& loss, std::span<float> gradient) = 0;
};

[[nodiscard]] bool available();
[[nodiscard]] bool has_wgmma();
[[nodiscard]] std::string name();

template <arithmetic A>
std::unique_ptr<program> make_program(const saddle::plan& p, std::span<const float> parameters, std::span<const float> buffers);
template <arithmetic A>
std::unique_ptr<trainer> make_trainer(const saddle::plan& p, saddle::worker_pool& pool);

/// A backend for the tests: forwards to the functions above.
template <arithmetic A>
struct backend {
    using lanes = saddle::array_lanes<float, saddle::lane_number<64>>;

    template <class T>
    class program {
    public:
        using value_type = float;
        using vector = lanes;
        class session {
        public:
            using value_type = float;
            using vector = lanes;
            explicit session(std::unique_ptr<device::session> s) : inner_(std::move(s)) {}
            void forward(const float* x, float* z) { inner_->forward(x, z); }
            void backward(const float* dz, float* dx) { inner_->backward(dz, dx); }

        private:
            std::unique_ptr<device::session> inner_;
        };
        using session_type = session;

        program(const saddle::plan& p, std::span<const float> parameters, std::span<const float> buffers)
            : input_(p.input()), classes_(p.classes()), inner_(make_program<A>(p, parameters, buffers)) {}
        [[nodiscard]] saddle::extents input() const { return input_; }
        [[nodiscard]] std::size_t classes() const { return classes_; }
        [[nodiscard]] session make_session() const { return session(inner_->make_session()); }
        void fuse_small_networks(bool on) { inner_->fuse_small_networks(on); }
        void logits(const saddle::images& x, std::span<float> z) const { inner_->logits(x, z); }
        bool run_whole(const saddle::gradient_attack<>& attack, const saddle::images& x, const saddle::labels& y,
                       const saddle::run_settings& settings, saddle::attack_result<float>& result) const {
            return inner_->attack(attack, x, y, settings, result);
        }

    private:
        saddle::extents input_;
        std::size_t classes_;
        std::unique_ptr<device::program> inner_;
    };

    template <class T>
    class trainer_program {
    public:
        using value_type = float;
        using vector = lanes;
        trainer_program(const saddle::plan& p, saddle::worker_pool& pool) : inner_(make_trainer<A>(p, pool)) {}
        template <class Loss>
        void differentiate(std::span<const float> parameters, std::span<float> buffers, const saddle::images& x,
                           std::span<const std::uint64_t> ids, const saddle::training_settings& settings, Loss&& loss,
                           std::span<float> gradient) {
            inner_->differentiate(parameters, buffers, x, ids, settings, block_loss(loss), gradient);
        }

    private:
        std::unique_ptr<trainer> inner_;
    };
};

}  // namespace device
