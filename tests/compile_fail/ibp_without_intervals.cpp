// expected-error: saddle: this backend has no interval_trainer: IBP training needs backend::cpu
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/sequential.hpp"
#include "saddle/training/objectives/ibp.hpp"
#include "saddle/training/schedules.hpp"
#include "saddle/training/sgd.hpp"
#include "saddle/training/trainer.hpp"

/// A backend without intervals.
struct other {
    template <class T>
    using program = saddle::backend::cpu::program<T>;
    template <class T>
    using trainer_program = saddle::backend::cpu::trainer_program<T>;
#ifdef SADDLE_COMPILES
    template <class T>
    using interval_trainer = saddle::backend::cpu::interval_trainer<T>;
#endif
};

void train(const saddle::dataset& data) {
    using namespace saddle;
    model<sequential<flatten, linear<2>>, shape<1, 2, 2>, other> m;
    trainer(m, objectives::ibp(), sgd{}, schedules::constant{}, {}).fit(data);
}
