#include "saddle/cuda.cuh"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/sequential.hpp"

// A .cpp file that saddle_cuda_sources hands to nvcc. Without a device it only shows that it was compiled and linked.
int main() {
    using namespace saddle;
    if (!cuda::has_device()) return 0;
    const model<sequential<linear<4>, relu, linear<3>>, shape<5>, backend::cuda> m(1);
    return prepare(m).classes() == 3 ? 0 : 1;
}
