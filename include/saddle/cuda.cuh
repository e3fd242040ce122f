#pragma once
/// The GPU backend, for nvcc: `backend::cuda` in the place of `backend::cpu`. Target saddle::cuda. docs/backends.md

#include "saddle/backend/cuda/cuda.cuh"
