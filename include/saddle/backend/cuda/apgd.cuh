#pragma once
#include "saddle/attacks/apgd.hpp"
#include "saddle/backend/cuda/attack_batch.cuh"
#include "saddle/backend/cuda/kernels/apgd_balls.cuh"

namespace saddle::cuda {

/// Runs APGD on Linf, L2 or L1 on whole batches on the device: the iterations of a run (restart or target class) are one captured
/// graph.
template <class Precision, class Loss, class Projection>
class apgd_engine : public attack_batch<Precision, Loss> {
    using base = attack_batch<Precision, Loss>;
    using base::batch_, base::images_, base::lanes_, base::input_, base::place, base::order;

public:
    using attack_type = apgd_attack<Loss, Projection>;

    apgd_engine(const machine<Precision>& program, extents input, std::size_t classes, bool small)
        : base(program, input, classes, small) {}

    /// False for settings that only sessions run: gradients averaged over samples.
    [[nodiscard]] static bool takes(const attack_type& attack) { return attack.samples == 1; }

    /// Attacks images first .. first+count-1 of x and writes their part of the result, whose vectors have their sizes already.
    void run(const attack_type& attack, const images& x, const labels& y, std::size_t first, std::size_t count,
             const run_settings& settings, attack_result<float>& result) {
        const auto stages = attack.stages();
        reserve(attack, padded_lanes(count), result.trace.columns);
        base::load(attack, 0, x, y, first, count, settings);
        auto key = base::key_of(attack, settings, count, result.trace.columns > 0);
        key.rules.steps = static_cast<std::uint32_t>(stages.back().steps);
        key.rules.aims = key.rules.aims || attack.target_classes > 0;
        key.rules.starts_at_clean = false;
        key.rules.project_start = key.rules.judges_all = key.looks_at_clean = true;
        base::configure(key);
        const threat_launcher<Projection> threat(attack.projection, place(), images_, lanes_.device(), input_);
        threat.centre();
        base::begin();
        if (attack.target_classes > 0)
            copy_values(order(), clean_.data(), place().logits, batch_.classes() * place().lanes, cudaMemcpyDeviceToDevice);
        end_those_that_succeeded();
        const std::size_t aims =
            attack.target_classes == 0 ? 1 : std::min(attack.target_classes, std::size_t{batch_.classes()} - 1);
        std::size_t last = 0, traced = 0;
        for (const auto& stage : stages) last += stage.steps + 1;
        const std::size_t untraced = --last - stages.back().steps;
        for (std::size_t run = 0; run < attack.restarts * aims; ++run) {
            check_stop(settings, "perturb");
            if (lanes_.all_done(batch_.order(), count)) break;
            base::set_restart(run);
            if (attack.target_classes > 0 && run % attack.restarts == 0) aim(run == 0);
            start_run(attack, settings, run, stages[0].epsilon);
            const std::size_t looked =
                base::run_steps(last, attack.early_stop, settings, [&](std::size_t i) { step(attack, stages, i); });
            traced += looked - std::min(looked, untraced);
            if (attack.keep != keep_rule::best) end_those_that_succeeded();
        }
        base::store(first, count, result, traced);
    }
    [[nodiscard]] std::size_t most_lanes(const attack_type&, std::size_t columns) const {
        return base::fitting_lanes(images_per_lane, columns);
    }

private:
    static constexpr bool in_intervals = interval_threat<Projection>, momentum = !std::is_same_v<Projection, l1>;
    static constexpr std::size_t images_per_lane = in_intervals ? 8 : momentum ? 7 : 5;

    void reserve(const attack_type& attack, std::size_t lanes, std::size_t columns) {
        base::reserve(lanes, columns, images_per_lane);
        best_ = base::next_image(), best_gradient_ = base::next_image();
        if constexpr (momentum) old_ = base::next_image();
        if constexpr (in_intervals)
            images_.lo = base::next_image(), images_.hi = base::next_image();
        else if constexpr (momentum)
            spare_ = base::next_image();
        records_.reserve(lanes);
        if (attack.target_classes > 0) clean_.reserve(batch_.classes() * lanes);
    }
    [[nodiscard]] launch_config each_lane(std::string_view operation) const {
        return {.operation = operation, .blocks = parts_of(place().lanes, 64), .threads = 64};
    }
    [[nodiscard]] apgd_images ball_images() const {
        const auto& m = place();
        return {images_.x, m.input, m.input_gradient, best_, best_gradient_, old_, spare_};
    }
    [[nodiscard]] int lane_count() const { return static_cast<int>(place().lanes); }

    void end_those_that_succeeded() const {
        launch(order(), end_successes<>, each_lane("ending lanes"), lanes_.device(), lane_count());
    }
    void aim(bool first) const {
        launch(order(), aim_at_next<>, each_lane("next target class"), lanes_.device(), static_cast<const float*>(clean_.data()),
               static_cast<int>(batch_.classes()), lane_count(), first);
    }
    void start_run(const attack_type& attack, const run_settings& settings, std::size_t run, double multiple) const {
        const auto& m = place();
        const random_stream draws({.seed = attack.seed,
                                   .purpose = purpose::random_start,
                                   .epoch = settings.epoch,
                                   .restart = static_cast<std::uint32_t>(run)});
        if constexpr (!in_intervals) {
            start_in_ball(draws, true, multiple);
        } else {
            launch(m.stream, start_apgd<>, lane_group::over(m.lanes, "random start"), lanes_.device(), draws,
                   static_cast<const float*>(images_.x), m.input_gradient, input_.size(), lane_count());
            launch_pointwise(m.stream, "projection", input_, m.lanes,
                             clip_to_interval{m.input_gradient, images_.x, images_.lo, images_.hi, m.input});
            copy_values(m.stream, old_, m.input, input_.size() * m.lanes, cudaMemcpyDeviceToDevice);
        }
    }
    void start_in_ball(const random_stream& draws, bool drawn, double multiple) const {
        launch(order(), start_apgd_ball<!momentum>, lane_group::over(place().lanes, "start in the ball"), lanes_.device(),
               static_cast<const apgd_lane<momentum>*>(records_.data()), draws, drawn, multiple, ball_images(), input_.size(),
               lane_count());
    }
    /// Iterate i of a run, over all its stages; only those of the last stage are candidates for the result.
    void step(const attack_type& attack, const std::vector<apgd_stage>& stages, std::size_t i) const {
        std::size_t s = 0;
        for (; i > stages[s].steps; ++s) i -= stages[s].steps + 1;
        const bool counts = s + 1 == stages.size(), last = i == stages[s].steps;
        base::judge_iterate(false, counts, i, !last);
        if (counts) base::copy_lanes_marked(lanes_.device().take);
        if (!last)
            move(attack, stages[s], static_cast<std::uint32_t>(i));
        else if constexpr (!in_intervals)
            if (!counts) start_in_ball(random_stream({}), false, stages[s + 1].epsilon);
    }
    void move(const attack_type& attack, const apgd_stage& stage, std::uint32_t i) const {
        const auto& m = place();
        base::template backward<store_few<float>>(nullptr);
        const auto windows = attack.windows();
        apgd_constants constants;
        constants.lengths = {windows.first, windows.less, windows.least};
        constants.rho = attack.rho;
        constants.profile = attack.profile;
        constants.larger_epsilons = attack.larger_epsilons;
        constants.multiple = stage.epsilon;
        constants.steps = stage.steps;
        if constexpr (in_intervals) {
            launch(m.stream, advance_apgd<>, each_lane("schedule"), constants, lanes_.device(), records_.data(), lane_count(), i,
                   static_cast<double>(input_.size()));
            launch_pointwise(m.stream, "step with momentum", input_, m.lanes,
                             apgd_move{m.input, m.input_gradient, old_, best_, best_gradient_, images_.x, images_.lo, images_.hi,
                                       lanes_.device(), records_.data(), lane_count(), i == 0});
        } else {
            launch(m.stream, step_apgd_ball<!momentum>, lane_group::over(m.lanes, "schedule and step"), constants,
                   lanes_.device(), records_.data(), ball_images(), input_.size(), lane_count(), i);
        }
    }

    float *old_ = nullptr, *best_ = nullptr, *best_gradient_ = nullptr, *spare_ = nullptr;
    device_vector<apgd_lane<momentum>> records_;
    device_vector<float> clean_;
};

}  // namespace saddle::cuda
