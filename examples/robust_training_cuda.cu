// The main job on the GPU: robust_training with another backend line. Needs nvcc and target saddle::cuda.
#include "saddle/cuda.cuh"

#define ROBUST_TRAINING_BACKEND
using backend_type = saddle::backend::cuda;

#include "robust_training/attack.cpp"
#include "robust_training/main.cpp"
#include "robust_training/train.cpp"
