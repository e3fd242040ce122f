#include "saddle/backend/cpu/define_kernels.hpp"
