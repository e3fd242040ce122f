// expected-error: saddle: wrong input shape: linear needs a flattened input, put flatten before it
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/sequential.hpp"

#ifdef SADDLE_COMPILES
using network = saddle::sequential<saddle::flatten, saddle::linear<10>>;
#else
using network = saddle::sequential<saddle::linear<10>>;
#endif

saddle::model<network, saddle::shape<1, 28, 28>, saddle::backend::cpu> m;
