#include "device.cuh"

SADDLE_DEVICE_TEST(bf16, saddle::backend::cuda_bf16)
SADDLE_DEVICE_TEST(bf16_wgmma, saddle::backend::cuda_wgmma<saddle::cuda::bf16>)

bool device::has_wgmma() { return saddle::cuda::has_wgmma(saddle::cuda::read_device()); }
