#include "device.cuh"

SADDLE_DEVICE_TEST(bf16)
