#include "compute.hpp"

outcome with_avx2() { return compute(); }
