#include "device.cuh"

SADDLE_DEVICE_TEST(tf32, saddle::backend::cuda_tf32)
SADDLE_DEVICE_TEST(tf32_wgmma, saddle::backend::cuda_wgmma<saddle::cuda::tf32>)
