#include "certification_host.hpp"

#include "saddle/certification/certify.hpp"
#include "saddle/certification/deep_poly.hpp"

saddle::certification_result certify_on_processor(const saddle::plan& p, std::span<const float> parameters,
                                                  std::span<const float> buffers, const saddle::images& x,
                                                  const saddle::labels& y, double epsilon) {
    const saddle::cpu_backend::program<saddle::lanes<float>> program(p, parameters, buffers, {.winograd = false});
    return saddle::certify<saddle::deep_poly>(program, x, y, saddle::linf_box{epsilon});
}
