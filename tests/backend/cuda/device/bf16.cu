#include "device.cuh"

SADDLE_DEVICE_TEST(bf16)

bool device::has_wgmma() { return saddle::cuda::has_wgmma(saddle::cuda::read_device()); }

template <>
std::unique_ptr<device::program> device::make_program<device::arithmetic::bf16_wgmma>(const saddle::plan& p,
                                                                                      std::span<const float> parameters,
                                                                                      std::span<const float> buffers) {
    auto made = std::make_unique<program_of<saddle::cuda::bf16>>(p, parameters, buffers);
    made->inner.use_wgmma(true);
    return made;
}
template <>
std::unique_ptr<device::trainer> device::make_trainer<device::arithmetic::bf16_wgmma>(const saddle::plan& p,
                                                                                      saddle::worker_pool& pool) {
    auto made = std::make_unique<trainer_of<saddle::cuda::bf16>>(p, pool);
    made->inner.use_wgmma(true);
    return made;
}
