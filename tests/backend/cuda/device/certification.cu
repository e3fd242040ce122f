#include "certification.hpp"

#include "saddle/certification/cuda/certified_program.cuh"

namespace {

template <class Domain>
saddle::certification_result certify(const Domain& domain, const saddle::plan& p, std::span<const float> parameters,
                                     std::span<const float> buffers, const saddle::images& x, const saddle::labels& y,
                                     double epsilon) {
    saddle::worker_pool pool(1);
    const saddle::cuda::certified_program program(p, parameters, buffers);
    return saddle::certify<Domain, double>(program, x, y, saddle::linf_box{epsilon}, pool, domain);
}

}  // namespace

saddle::certification_result device::certify_box(const saddle::plan& p, std::span<const float> parameters,
                                                 std::span<const float> buffers, const saddle::images& x, const saddle::labels& y,
                                                 double epsilon) {
    return certify(saddle::box{}, p, parameters, buffers, x, y, epsilon);
}
saddle::certification_result device::certify_zonotope(const saddle::plan& p, std::span<const float> parameters,
                                                      std::span<const float> buffers, const saddle::images& x,
                                                      const saddle::labels& y, double epsilon, const saddle::zonotope& domain) {
    return certify(domain, p, parameters, buffers, x, y, epsilon);
}
saddle::certification_result device::certify_deep_poly(const saddle::plan& p, std::span<const float> parameters,
                                                       std::span<const float> buffers, const saddle::images& x,
                                                       const saddle::labels& y, double epsilon, std::size_t memory) {
    return certify(saddle::deep_poly{.memory = memory}, p, parameters, buffers, x, y, epsilon);
}
