#include "compute.hpp"

outcome without_flags() { return compute(); }
