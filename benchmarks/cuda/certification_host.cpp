#include "certification_host.hpp"

#include "saddle/certification/certify.hpp"

template <class Domain>
saddle::certification_result certify_on_processor(const Domain& domain, const saddle::plan& p, std::span<const float> parameters,
                                                  std::span<const float> buffers, const saddle::images& x,
                                                  const saddle::labels& y, double epsilon) {
    const saddle::cpu_backend::program<saddle::lanes<float>> program(p, parameters, buffers, {.winograd = false});
    return saddle::certify<Domain>(program, x, y, saddle::linf_box{epsilon}, domain);
}

template saddle::certification_result certify_on_processor(const saddle::deep_poly&, const saddle::plan&, std::span<const float>,
                                                           std::span<const float>, const saddle::images&, const saddle::labels&,
                                                           double);
template saddle::certification_result certify_on_processor(const saddle::zonotope&, const saddle::plan&, std::span<const float>,
                                                           std::span<const float>, const saddle::images&, const saddle::labels&,
                                                           double);
