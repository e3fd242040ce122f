#include "apgd.hpp"
#include "saddle/cuda.cuh"

using namespace saddle;

template <class Projection>
attack_result<float> device::attack_by_apgd(const apgd_attack<dlr, Projection>& attack, const plan& p,
                                            std::span<const float> parameters, std::span<const float> buffers, const images& x,
                                            const labels& y) {
    const backend::cuda_fp32::program<float> program(p, parameters, buffers);
    worker_pool pool(1);
    return perturb(attack, program, x, y, pool);
}

#define SADDLE_APGD_TEST(PROJECTION)                                                                                             \
    template attack_result<float> device::attack_by_apgd<PROJECTION>(const apgd_attack<dlr, PROJECTION>&, const plan&,           \
                                                                     std::span<const float>, std::span<const float>,             \
                                                                     const images&, const labels&);
SADDLE_APGD_TEST(linf)
SADDLE_APGD_TEST(l2)
SADDLE_APGD_TEST(l1)
