#pragma once
#include "saddle/training/adam.hpp"
#include "saddle/training/sgd.hpp"
