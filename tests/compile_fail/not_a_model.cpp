// expected-error: saddle: this type is not a model: it has neither make_session\(\) nor logits\(\)
#include "saddle/attacks/perturb.hpp"
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"

#ifdef SADDLE_COMPILES
using some_model = saddle::model<saddle::networks::conv_small<>, saddle::shape<1, 28, 28>, saddle::backend::cpu>;
#else
struct some_model {};
#endif

auto attack(const saddle::images& x, const saddle::labels& y) { return saddle::perturb(saddle::pgd(), some_model{}, x, y); }
