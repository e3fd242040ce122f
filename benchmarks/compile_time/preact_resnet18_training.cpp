// Compiled, not run: the adversarial training of a deep network, whose cost must not grow with its depth.
#include "saddle/attacks/pgd.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/resnet.hpp"
#include "saddle/training/objectives/adversarial.hpp"
#include "saddle/training/optimizers.hpp"
#include "saddle/training/progress_bar.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/trainer.hpp"

#ifndef COMPILE_TIME_BACKEND
using backend_type = saddle::backend::cpu;
#endif

saddle::training_result train(const saddle::dataset& data) {
    saddle::model<saddle::networks::preact_resnet18<>, saddle::shape<3, 32, 32>, backend_type> m;
    saddle::trainer t(m, saddle::objectives::adversarial(saddle::pgd()), saddle::sgd{}, saddle::schedules::cyclic{}, {},
                      saddle::progress_bar{});
    return t.fit(data);
}
