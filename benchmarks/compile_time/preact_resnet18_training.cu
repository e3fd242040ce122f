// The same for the GPU, by nvcc: kernels must be few.
#include "saddle/cuda.cuh"

#define COMPILE_TIME_BACKEND
using backend_type = saddle::backend::cuda_bf16;

#include "preact_resnet18_training.cpp"
