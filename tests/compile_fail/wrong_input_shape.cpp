// expected-error: saddle: wrong input shape: the layer's window is larger than its padded input
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"

#ifdef SADDLE_COMPILES
using input = saddle::shape<1, 28, 28>;
#else
using input = saddle::shape<1, 8, 8>;
#endif

saddle::model<saddle::networks::conv_small<>, input, saddle::backend::cpu> m;
