#pragma once
#include "saddle/attacks/apgd.hpp"
#include "saddle/backend/cuda/attack_batch.cuh"
#include "saddle/backend/cuda/kernels/apgd.cuh"

namespace saddle::cuda {

/// Runs APGD on Linf on whole batches on the device: the iterations of a restart are one captured graph.
template <class Precision, class Loss>
class apgd_engine : public attack_batch<Precision, Loss> {
    using base = attack_batch<Precision, Loss>;
    using base::batch_, base::images_, base::lanes_, base::input_, base::place, base::order;

public:
    using attack_type = apgd_attack<Loss, linf>;

    apgd_engine(const machine<Precision>& program, extents input, std::size_t classes, bool small)
        : base(program, input, classes, small) {}

    /// False for settings that only sessions run: target classes in turn, and gradients averaged over samples.
    [[nodiscard]] static bool takes(const attack_type& attack) { return attack.target_classes == 0 && attack.samples == 1; }

    /// Attacks images first .. first+count-1 of x and writes their part of the result, whose vectors have their sizes already.
    void run(const attack_type& attack, const images& x, const labels& y, std::size_t first, std::size_t count,
             const run_settings& settings, attack_result<float>& result) {
        base::reserve(padded_lanes(count), result.trace.columns, images_per_lane);
        for (float** image : {&images_.lo, &images_.hi, &old_, &best_, &best_gradient_}) *image = base::next_image();
        records_.reserve(place().lanes);
        base::load(attack, 0, x, y, first, count, settings);
        auto key = base::key_of(attack, settings, count, result.trace.columns > 0);
        key.rules.starts_at_clean = false;
        key.rules.project_start = key.rules.judges_all = key.looks_at_clean = true;
        base::configure(key);
        const threat_launcher<linf> threat(attack.projection, place(), images_, lanes_.device(), input_);
        threat.centre();
        base::begin();
        end_those_that_succeeded();
        std::size_t iterates = 0;
        for (std::size_t restart = 0; restart < attack.restarts; ++restart) {
            check_stop(settings, "perturb");
            if (lanes_.all_done(batch_.order(), count)) break;
            base::set_restart(restart);
            start(attack, settings, restart);
            iterates += base::run_steps(attack.steps, attack.early_stop, settings, [&](std::size_t i) { step(attack, i); });
            if (attack.keep != keep_rule::best) end_those_that_succeeded();
        }
        base::store(first, count, result, iterates);
    }
    [[nodiscard]] std::size_t most_lanes(const attack_type&, std::size_t columns) const {
        return base::fitting_lanes(images_per_lane, columns);
    }

private:
    static constexpr std::size_t images_per_lane = 8;

    [[nodiscard]] launch_config each_lane(std::string_view operation) const {
        return {.operation = operation, .blocks = parts_of(place().lanes, 64), .threads = 64};
    }
    void end_those_that_succeeded() const {
        launch(order(), end_successes<>, each_lane("ending lanes"), lanes_.device(), static_cast<int>(place().lanes));
    }
    void start(const attack_type& attack, const run_settings& settings, std::size_t restart) const {
        const auto& m = place();
        const random_stream draws({.seed = attack.seed,
                                   .purpose = purpose::random_start,
                                   .epoch = settings.epoch,
                                   .restart = static_cast<std::uint32_t>(restart)});
        launch(m.stream, start_apgd<>,
               {.operation = "random start",
                .blocks = m.lanes / lane_group::lanes,
                .threads = lane_group::lanes,
                .shared = lane_group::shared,
                .threads_y = lane_group::parts},
               lanes_.device(), draws, static_cast<const float*>(images_.x), m.input_gradient, input_.size(),
               static_cast<int>(m.lanes));
        launch_pointwise(m.stream, "projection", input_, m.lanes,
                         clip_to_interval{m.input_gradient, images_.x, images_.lo, images_.hi, m.input});
        copy_values(m.stream, old_, m.input, input_.size() * m.lanes, cudaMemcpyDeviceToDevice);
    }
    void step(const attack_type& attack, std::size_t i) const {
        const auto& m = place();
        const bool last = i == attack.steps;
        base::judge_iterate(false, true, i, !last);
        base::copy_lanes_marked(lanes_.device().take);
        if (last) return;
        base::template backward<store_few<float>>(nullptr);
        const auto windows = attack.windows();
        const apgd_constants constants{
            .lengths = {windows.first, windows.less, windows.least}, .rho = attack.rho, .profile = attack.profile};
        launch(m.stream, advance_apgd<>, each_lane("schedule"), constants, lanes_.device(), records_.data(),
               static_cast<int>(m.lanes), static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(attack.steps),
               static_cast<double>(input_.size()));
        launch_pointwise(m.stream, "step with momentum", input_, m.lanes,
                         apgd_move{m.input, m.input_gradient, old_, best_, best_gradient_, images_.x, images_.lo, images_.hi,
                                   lanes_.device(), records_.data(), static_cast<int>(m.lanes), i == 0});
    }

    float *old_ = nullptr, *best_ = nullptr, *best_gradient_ = nullptr;
    device_vector<apgd_lane> records_;
};

}  // namespace saddle::cuda
