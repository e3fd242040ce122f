// expected-error: saddle: this layer has no kernel for this backend
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/sequential.hpp"

struct square {
    template <class Shape>
    using output = Shape;
#ifdef SADDLE_COMPILES
    template <class V>
    static V value(V x) {
        return x * x;
    }
    template <class V>
    static V derivative(V x) {
        return 2 * x;
    }
#endif
};

saddle::model<saddle::sequential<saddle::flatten, square, saddle::linear<2>>, saddle::shape<1, 2, 2>, saddle::backend::cpu> m;
