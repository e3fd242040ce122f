#pragma once
#include "device.hpp"
#include "saddle/cuda.cuh"

/// What each .cu file instantiates for its backends.
namespace device {

template <class Session>
struct session_of : session {
    Session inner;
    explicit session_of(Session s) : inner(std::move(s)) {}
    void forward(const float* x, float* logits) override { inner.forward(x, logits); }
    void backward(const float* slopes, float* gradient) override { inner.backward(slopes, gradient); }
};
template <class Backend>
struct program_of : program {
    typename Backend::template program<float> inner;
    program_of(const saddle::plan& p, std::span<const float> parameters, std::span<const float> buffers)
        : inner(p, parameters, buffers) {}
    std::unique_ptr<session> make_session() const override {
        return std::make_unique<session_of<typename Backend::template program<float>::session_type>>(inner.make_session());
    }
    void fuse_small_networks(bool on) override { inner.fuse_small_networks(on); }
    void logits(const saddle::images& x, std::span<float> z) const override { inner.logits(x, z); }
    bool attack(const saddle::gradient_attack<>& attack, const saddle::images& x, const saddle::labels& y,
                const saddle::run_settings& settings, saddle::attack_result<float>& result) const override {
        return inner.run_whole(attack, x, y, settings, result);
    }
};
template <class Backend>
struct trainer_of : trainer {
    typename Backend::template trainer_program<float> inner;
    trainer_of(const saddle::plan& p, saddle::worker_pool& pool) : inner(p, pool) {}
    void differentiate(std::span<const float> parameters, std::span<float> buffers, const saddle::images& x,
                       std::span<const std::uint64_t> ids, const saddle::training_settings& settings, const block_loss& loss,
                       std::span<float> gradient) override {
        inner.differentiate(parameters, buffers, x, ids, settings, loss, gradient);
    }
};

}  // namespace device

#define SADDLE_DEVICE_TEST(ARITHMETIC, ...)                                                                                      \
    template <>                                                                                                                  \
    std::unique_ptr<device::program> device::make_program<device::arithmetic::ARITHMETIC>(                                       \
        const saddle::plan& p, std::span<const float> parameters, std::span<const float> buffers) {                              \
        return std::make_unique<program_of<__VA_ARGS__>>(p, parameters, buffers);                                                \
    }                                                                                                                            \
    template <>                                                                                                                  \
    std::unique_ptr<device::trainer> device::make_trainer<device::arithmetic::ARITHMETIC>(const saddle::plan& p,                 \
                                                                                          saddle::worker_pool& pool) {           \
        return std::make_unique<trainer_of<__VA_ARGS__>>(p, pool);                                                               \
    }
