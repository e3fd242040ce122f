#include "device.cuh"

SADDLE_DEVICE_TEST(fp32, saddle::backend::cuda_fp32)

bool device::available() { return saddle::cuda::has_device(); }
std::string device::name() { return saddle::cuda::read_device().name; }
