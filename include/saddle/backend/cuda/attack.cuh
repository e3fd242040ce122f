#pragma once
#include "saddle/attacks/gradient_attack.hpp"
#include "saddle/backend/cuda/lane_memory.cuh"
#include "saddle/backend/cuda/threats.cuh"

#include <cstring>

namespace saddle::cuda {

/// What the captured steps of an attack depend on beside the engine's memory.
template <class Loss>
struct captured_key {
    std::size_t lanes = 0, valid = 0, steps = 0, largest = 0;
    judge_rules rules{};
    double momentum = 0;
    std::uint64_t seed = 0;
    std::uint32_t epoch = 0;
    bool judges_last = true, looks_at_clean = false, traced = false;
    Loss loss{};

    [[nodiscard]] bool same_as(const captured_key& o) const {
        static_assert(std::is_trivially_copyable_v<Loss>, "saddle: a loss is copied to the device byte by byte");
        const auto all = [](const captured_key& k) {
            return std::tuple(k.lanes, k.valid, k.steps, k.largest, k.rules.targets, k.rules.keep, k.rules.early_stop,
                              k.rules.starts_at_clean, k.rules.project_start, k.rules.judges_all, k.momentum, k.seed, k.epoch,
                              k.judges_last, k.looks_at_clean, k.traced);
        };
        return all(*this) == all(o) && std::memcmp(&loss, &o.loss, sizeof(Loss)) == 0;
    }
};

/// Runs a gradient attack on whole batches on the device: the iterations of a restart are one captured graph, no step waits for
/// the host.
///
/// All lanes go in step; what each keeps, its target and its counts are its own, as on the host (attacks/gradient_runner.hpp).
template <class Precision, class Attack>
class attack_engine {
public:
    using Loss = typename Attack::loss_type;
    using Projection = typename Attack::projection_type;

    /// `small`: a network that small_network takes runs through it.
    attack_engine(const machine<Precision>& program, extents input, std::size_t classes, bool small)
        : batch_(program, input, classes, small), input_(input), fuses_(interval_threat<Projection> && batch_.fuses_input()) {}

    /// Attacks images first .. first+count-1 of x and writes their part of the result, whose vectors have their sizes already.
    void run(const Attack& attack, const images& x, const labels& y, std::size_t first, std::size_t count,
             const run_settings& settings, attack_result<float>& result) {
        const std::size_t columns = result.trace.columns;
        prepare(attack, padded_lanes(count), columns);
        key_.valid = count;
        load(attack, x, y, first, settings);
        configure(attack, settings, columns > 0);
        const threat_launcher<Projection> threat(attack.projection, batch_.place(), images_, lanes_.device(), input_);
        threat.centre();
        begin();
        std::size_t iterates = 0;
        for (std::size_t restart = 0; restart < attack.restarts; ++restart) {
            check_stop(settings, "perturb");
            const std::size_t run = run_restart(attack, threat, restart, settings);
            iterates += run;
            if (run <= attack.steps) break;
        }
        store(first, count, result, iterates);
    }

    /// Lanes that the free memory of the device has room for, a multiple of 64.
    [[nodiscard]] std::size_t most_lanes(const Attack& attack, std::size_t columns) const {
        std::size_t free = 0, total = 0;
        check(cudaMemGetInfo(&free, &total), "asking for free memory");
        const std::size_t each =
            batch_.bytes_per_lane() + images_per_lane(attack) * input_.size() * sizeof(float) + 512 + 5 * columns;
        return std::max(lane_step, (free + reserved_) / each * 4 / 5 / lane_step * lane_step);
    }

private:
    [[nodiscard]] static std::size_t images_per_lane(const Attack& attack) {
        return 3 + interval_images<Projection> + (attack.momentum > 0);
    }
    [[nodiscard]] const batch_memory& place() const { return batch_.place(); }
    [[nodiscard]] cudaStream_t order() const { return batch_.place().stream; }

    void prepare(const Attack& attack, std::size_t lanes, std::size_t columns) {
        bool moved = batch_.reserve(lanes);
        const std::size_t each = input_.size() * lanes;
        moved = memory_.reserve(each * images_per_lane(attack)) || moved;
        moved = lanes_.reserve(lanes, columns) || moved;
        moved = state_.reserve(state_rows<Loss>(batch_.classes()) * lanes + 1) || moved;
        reserved_ = memory_.size() * sizeof(float) + batch_.bytes_per_lane() * lanes;
        float* at = memory_.data();
        const auto next = [&] { return std::exchange(at, at + each); };
        staging_ = next();
        images_ = {.x = next(), .adversarial = next()};
        if (interval_images < Projection >> 0) images_.lo = next(), images_.hi = next();
        if (attack.momentum > 0) images_.velocity = next();
        if (moved) graph_ = {};
    }
    void load(const Attack& attack, const images& x, const labels& y, std::size_t first, const run_settings& settings) {
        const std::size_t lanes = place().lanes, elements = input_.size();
        const auto& host = lanes_.host();
        for (std::size_t l = 0; l < lanes; ++l) {
            const std::size_t i = first + std::min(l, key_.valid - 1);
            host.id[l] = settings.ids.empty() ? i : settings.ids[i];
            host.label[l] = y[i];
            host.target[l] = settings.targets.empty() ? -1 : settings.targets[i];
            host.epsilon[l] = settings.epsilons.empty() ? static_cast<double>(attack.projection.epsilon) : settings.epsilons[i];
            host.step_size[l] = static_cast<float>(settings.step_sizes.empty() ? attack.step_size : settings.step_sizes[i]);
        }
        lanes_.upload(order());
        copy_values(order(), staging_, x[first].data(), key_.valid * elements, cudaMemcpyHostToDevice);
        launch_images_to_lanes(order(), staging_, key_.valid, elements, lanes, images_.x);
        copy_values(order(), images_.adversarial, images_.x, elements * lanes, cudaMemcpyDeviceToDevice);
        copy_values(order(), place().input, images_.x, elements * lanes, cudaMemcpyDeviceToDevice);
    }
    /// Decides what is looked at, and drops a captured graph that does something else.
    void configure(const Attack& attack, const run_settings& settings, bool traced) {
        captured_key<Loss> k;
        k.lanes = place().lanes;
        k.valid = key_.valid;
        k.steps = attack.steps;
        k.rules = {.targets = attack.targets,
                   .keep = attack.keep,
                   .early_stop = attack.early_stop,
                   .starts_at_clean = attack.start == start_rule::none,
                   .project_start = attack.project_start,
                   .judges_all = attack.keep != keep_rule::last || attack.early_stop,
                   .steps = static_cast<std::uint32_t>(attack.steps)};
        k.momentum = attack.momentum;
        if constexpr (requires { attack.projection.largest; }) k.largest = attack.projection.largest;
        k.traced = traced;
        k.loss = attack.loss;
        const bool judged = !settings.examples_only;
        k.judges_last = k.rules.judges_all || judged || attack.restarts > 1;
        k.looks_at_clean = judged || k.rules.judges_all || needs_clean_logits(attack.targets) || keeps_state<Loss>;
        if (attack.targets == target_rule::random) {  // the only draws that a judge makes
            k.seed = attack.seed;
            k.epoch = settings.epoch;
        }
        if (!k.same_as(key_)) graph_ = {};
        key_ = k;
    }
    [[nodiscard]] random_stream target_draws() const {
        return random_stream({.seed = key_.seed, .purpose = purpose::target, .epoch = key_.epoch});
    }
    /// Logits of the iterate, its loss and verdict, and with `goes_on` what the backward pass starts from.
    void judge_iterate(bool clean, bool iterate, std::size_t step, bool goes_on) const {
        const auto& m = place();
        const judgement<Loss> verdict{key_.loss,
                                      key_.rules,
                                      lanes_.device(),
                                      target_draws(),
                                      static_cast<int>(batch_.classes()),
                                      static_cast<int>(m.lanes),
                                      static_cast<int>(key_.valid),
                                      clean,
                                      iterate,
                                      static_cast<std::uint32_t>(step),
                                      state_.data()};
        if (const auto* const small = batch_.small()) {
            small->forward(m);
            return small->judge(m, verdict, goes_on);
        }
        batch_.forward();
        launch(m.stream, judge<Loss>, {.operation = "loss and verdict", .blocks = parts_of(m.lanes, 64), .threads = 64}, verdict,
               static_cast<const float*>(m.logits), m.logits_gradient);
    }
    /// To the input's gradient, or to `finish` where it is given.
    template <class Finish>
    void backward(const Finish* finish) const {
        batch_.small() ? batch_.backward_through_trunk(finish) : batch_.backward(finish);
    }
    /// The lanes' records; the clean image's logits where they are wanted before a random start.
    void begin() const {
        const auto& m = place();
        launch(m.stream, begin_lanes<>, {.operation = "beginning lanes", .blocks = parts_of(m.lanes, 64), .threads = 64},
               key_.rules, lanes_.device(), target_draws(), static_cast<int>(batch_.classes()), static_cast<int>(m.lanes),
               !key_.looks_at_clean);
        if (!key_.looks_at_clean || key_.rules.starts_at_clean) return;
        judge_iterate(true, false, 0, false);
    }
    void copy_lanes_marked(const std::uint8_t* marks) const {
        launch_pointwise(order(), "keeping iterates", input_, place().lanes,
                         copy_marked{place().input, images_.adversarial, marks, static_cast<int>(place().lanes)});
    }
    void run_step(const Attack& attack, const threat_launcher<Projection>& threat, std::size_t step) const {
        const bool last = step == attack.steps;
        if (last && !key_.judges_last) return copy_lanes_marked(lanes_.device().moves);
        judge_iterate(step == 0 && key_.looks_at_clean && key_.rules.starts_at_clean, true, step, !last);
        if (last || key_.rules.judges_all) copy_lanes_marked(lanes_.device().take);
        if (last) return;
        if (fuses_ && attack.momentum == 0) {
            const signed_steps finish = threat.steps();
            return backward(&finish);
        }
        backward<store_few<float>>(nullptr);
        if (attack.momentum > 0) threat.accumulate(attack.momentum);
        threat.step();
    }
    /// How many iterates were looked at: steps + 1 unless every lane had ended before.
    std::size_t run_restart(const Attack& attack, const threat_launcher<Projection>& threat, std::size_t restart,
                            const run_settings& settings) {
        launch(order(), set_restart<>, {.operation = "beginning a restart", .threads = 32}, lanes_.device(),
               static_cast<std::uint32_t>(restart));
        if (attack.start != start_rule::none)
            threat.start(attack.start, attack.start_scale, attack.project_start,
                         random_stream({.seed = attack.seed,
                                        .purpose = purpose::random_start,
                                        .epoch = settings.epoch,
                                        .restart = static_cast<std::uint32_t>(restart)}));
        if (attack.momentum > 0)
            check(cudaMemsetAsync(images_.velocity, 0, input_.size() * place().lanes * sizeof(float), order()),
                  "clearing the velocity");
        const auto all_steps = [&] {
            for (std::size_t step = 0; step <= attack.steps; ++step) run_step(attack, threat, step);
        };
        const std::size_t launches = (2 * batch_.steps().list().steps.size() + 6) * (attack.steps + 1);
        constexpr std::size_t most_captured = 30000, steps_between_looks = 8;
        if (!attack.early_stop && launches <= most_captured) {
            if (!graph_) graph_ = captured_graph(batch_.order(), all_steps);
            graph_.run(batch_.order());
            return attack.steps + 1;
        }
        for (std::size_t step = 0; step <= attack.steps; ++step) {
            run_step(attack, threat, step);
            if (step % steps_between_looks != 0) continue;
            check_stop(settings, "perturb");
            if (attack.early_stop && step < attack.steps && lanes_.all_done(batch_.order(), key_.valid)) return step + 1;
        }
        return attack.steps + 1;
    }
    /// Brings the results to the host; trace columns from `reached` on repeat what the lane kept.
    void store(std::size_t first, std::size_t count, attack_result<float>& result, std::size_t reached) {
        const std::size_t lanes = place().lanes, elements = input_.size();
        launch_lanes_to_images(order(), images_.adversarial, count, elements, lanes, staging_);
        copy_values(order(), result.adversarial[first].data(), staging_, count * elements, cudaMemcpyDeviceToHost);
        lanes_.download(order());
        batch_.order().synchronize();
        const auto& s = lanes_.host();
        for (std::size_t l = 0; l < count; ++l) {
            const std::size_t i = first + l;
            result.gradients[i] += s.gradients[l];
            result.forwards[i] += s.forwards[l];
            result.gradient_calls += s.gradients[l];
            result.forward_calls += s.forwards[l];
            if (!result.targets.empty()) result.targets[i] = s.target[l];
            if (result.success.empty()) continue;
            result.success[i] = s.success[l];
            result.status[i] = s.success[l]  ? attack_status::succeeded
                               : s.flawed[l] ? attack_status::not_finite
                                             : attack_status::failed;
            result.clean_predictions[i] = s.clean_prediction[l];
            result.adversarial_predictions[i] = s.adversarial_prediction[l];
            result.loss[i] = s.loss[l];
            for (std::size_t c = 0; c < result.trace.columns; ++c) {
                const bool repeats = c >= reached && s.done[l] != 0;
                result.trace.loss[i * result.trace.columns + c] = repeats ? s.loss[l] : s.trace_loss[c * lanes + l];
                result.trace.success[i * result.trace.columns + c] = repeats ? s.success[l] : s.trace_success[c * lanes + l];
            }
        }
    }

    batch_session<Precision> batch_;
    extents input_;
    bool fuses_;
    device_vector<float> memory_, state_;
    lane_memory lanes_;
    attack_images images_;
    float* staging_ = nullptr;
    std::size_t reserved_ = 0;
    captured_key<Loss> key_;
    captured_graph graph_;
};

}  // namespace saddle::cuda
