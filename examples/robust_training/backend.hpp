#ifndef ROBUST_TRAINING_BACKEND
#define ROBUST_TRAINING_BACKEND
#include "saddle/backend/cpu/cpu.hpp"

/// The one line that chooses where everything runs; ../robust_training_cuda.cu has its own.
using backend_type = saddle::backend::cpu;

#endif
