#pragma once
#include "saddle/attacks/gradient_attack.hpp"
#include "saddle/backend/cuda/attack_batch.cuh"

namespace saddle::cuda {

/// Runs a gradient attack on whole batches on the device: the iterations of a restart are one captured graph, no step waits for
/// the host (attacks/gradient_runner.hpp).
template <class Precision, class Attack>
class attack_engine : public attack_batch<Precision, typename Attack::loss_type> {
    using base = attack_batch<Precision, typename Attack::loss_type>;
    using base::batch_, base::key_, base::images_, base::lanes_, base::input_, base::place, base::order;

public:
    using Loss = typename Attack::loss_type;
    using Projection = typename Attack::projection_type;

    attack_engine(const machine<Precision>& program, extents input, std::size_t classes, bool small)
        : base(program, input, classes, small), fuses_(interval_threat<Projection> && batch_.fuses_input()) {}

    /// Attacks images first .. first+count-1 of x and writes their part of the result, whose vectors have their sizes already.
    void run(const Attack& attack, const images& x, const labels& y, std::size_t first, std::size_t count,
             const run_settings& settings, attack_result<float>& result) {
        const std::size_t columns = result.trace.columns;
        base::reserve(padded_lanes(count), columns, images_per_lane(attack));
        if (interval_images < Projection >> 0) images_.lo = base::next_image(), images_.hi = base::next_image();
        if (attack.momentum > 0) images_.velocity = base::next_image();
        base::load(attack, attack.step_size, x, y, first, count, settings);
        base::configure(key_of(attack, settings, count, columns > 0));
        const threat_launcher<Projection> threat(attack.projection, place(), images_, lanes_.device(), input_);
        threat.centre();
        base::begin();
        std::size_t iterates = 0;
        for (std::size_t restart = 0; restart < attack.restarts; ++restart) {
            check_stop(settings, "perturb");
            const std::size_t run = run_restart(attack, threat, restart, settings);
            iterates += run;
            if (run <= attack.steps) break;
        }
        base::store(first, count, result, iterates);
    }
    [[nodiscard]] std::size_t most_lanes(const Attack& attack, std::size_t columns) const {
        return base::fitting_lanes(images_per_lane(attack), columns);
    }

private:
    [[nodiscard]] static std::size_t images_per_lane(const Attack& attack) {
        return 3 + interval_images<Projection> + (attack.momentum > 0);
    }
    /// Decides what is looked at.
    [[nodiscard]] captured_key<Loss> key_of(const Attack& attack, const run_settings& settings, std::size_t valid,
                                            bool traced) const {
        auto k = base::key_of(attack, settings, valid, traced);
        const bool judged = !settings.examples_only;
        k.rules.starts_at_clean = attack.start == start_rule::none;
        k.rules.project_start = attack.project_start;
        k.rules.judges_all = attack.keep != keep_rule::last || attack.early_stop;
        k.judges_last = k.rules.judges_all || judged || attack.restarts > 1;
        k.looks_at_clean = judged || k.rules.judges_all || needs_clean_logits(attack.targets) || keeps_state<Loss>;
        return k;
    }
    void run_step(const Attack& attack, const threat_launcher<Projection>& threat, std::size_t step) const {
        const bool last = step == attack.steps;
        if (last && !key_.judges_last) return base::copy_lanes_marked(lanes_.device().moves);
        base::judge_iterate(step == 0 && key_.looks_at_clean && key_.rules.starts_at_clean, true, step, !last);
        if (last || key_.rules.judges_all) base::copy_lanes_marked(lanes_.device().take);
        if (last) return;
        if (fuses_ && attack.momentum == 0) {
            const signed_steps finish = threat.steps();
            return base::backward(&finish);
        }
        base::template backward<store_few<float>>(nullptr);
        if (attack.momentum > 0) threat.accumulate(attack.momentum);
        threat.step();
    }
    /// How many iterates were looked at: steps + 1 unless every lane had ended before.
    std::size_t run_restart(const Attack& attack, const threat_launcher<Projection>& threat, std::size_t restart,
                            const run_settings& settings) {
        base::set_restart(restart);
        if (attack.start != start_rule::none)
            threat.start(attack.start, attack.start_scale, attack.project_start,
                         random_stream({.seed = attack.seed,
                                        .purpose = purpose::random_start,
                                        .epoch = settings.epoch,
                                        .restart = static_cast<std::uint32_t>(restart)}));
        if (attack.momentum > 0)
            check(cudaMemsetAsync(images_.velocity, 0, input_.size() * place().lanes * sizeof(float), order()),
                  "clearing the velocity");
        return base::run_steps(attack.steps, attack.early_stop, settings,
                               [&](std::size_t step) { run_step(attack, threat, step); });
    }

    bool fuses_;
};

}  // namespace saddle::cuda
