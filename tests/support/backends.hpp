#pragma once
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/backend/reference/reference.hpp"

#include <tuple>

/// The backends that every test of a layer, network or gradient runs on.
using backends = std::tuple<saddle::backend::reference, saddle::backend::cpu>;
