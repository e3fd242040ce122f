#include "device.cuh"

SADDLE_DEVICE_TEST(tf32)
