// expected-error: saddle: this network has a layer without a relaxation
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/certification/certify.hpp"

#ifdef SADDLE_COMPILES
using bend = saddle::relu;
#else
using bend = saddle::softplus;
#endif
using network = saddle::sequential<saddle::flatten, saddle::linear<4>, bend, saddle::linear<2>>;

auto prove(const saddle::model<network, saddle::shape<1, 2, 2>, saddle::backend::cpu>& m, const saddle::images& x,
           const saddle::labels& y) {
    return saddle::certify<saddle::box>(m, x, y, saddle::linf_box{.1});
}
