#pragma once
#include "saddle/attacks/profile.hpp"
#include "saddle/attacks/run_settings.hpp"
#include "saddle/backend/cuda/lane_memory.cuh"
#include "saddle/backend/cuda/threats.cuh"

#include <cstring>

namespace saddle::cuda {

/// What the captured steps of an attack depend on beside the engine's memory.
template <class Loss>
struct captured_key {
    std::size_t lanes = 0, valid = 0, steps = 0, largest = 0;
    judge_rules rules{};
    double momentum = 0, rho = 0;
    attack_profile profile{};
    std::uint64_t seed = 0;
    std::uint32_t epoch = 0;
    bool judges_last = true, looks_at_clean = false, traced = false, larger_epsilons = false;
    Loss loss{};

    [[nodiscard]] bool same_as(const captured_key& o) const {
        static_assert(std::is_trivially_copyable_v<Loss>, "saddle: a loss is copied to the device byte by byte");
        const auto all = [](const captured_key& k) {
            return std::tuple(k.lanes, k.valid, k.steps, k.largest, k.rules.targets, k.rules.keep, k.rules.early_stop,
                              k.rules.starts_at_clean, k.rules.project_start, k.rules.judges_all, k.rules.aims, k.momentum, k.rho,
                              k.profile, k.seed, k.epoch, k.judges_last, k.looks_at_clean, k.traced, k.larger_epsilons);
        };
        return all(*this) == all(o) && std::memcmp(&loss, &o.loss, sizeof(Loss)) == 0;
    }
};

/// A batch under attack on the device: images, the lanes' records, and the judging of iterates, which attacks that run as a whole share.
/// All lanes go in step; what each keeps, its target and its counts are its own, as on the host.
template <class Precision, class Loss>
class attack_batch {
public:
    /// Lanes that the free memory of the device has room for, a multiple of 64, with so many images a lane.
    [[nodiscard]] std::size_t fitting_lanes(std::size_t images_per_lane, std::size_t columns) const {
        std::size_t free = 0, total = 0;
        check(cudaMemGetInfo(&free, &total), "asking for free memory");
        const std::size_t each = batch_.bytes_per_lane() + images_per_lane * input_.size() * sizeof(float) + 640 + 5 * columns;
        return std::max(lane_step, (free + reserved_) / each * 4 / 5 / lane_step * lane_step);
    }

protected:
    /// `small`: a network that small_network takes runs through it.
    attack_batch(const machine<Precision>& program, extents input, std::size_t classes, bool small)
        : batch_(program, input, classes, small), input_(input) {}

    [[nodiscard]] const batch_memory& place() const { return batch_.place(); }
    [[nodiscard]] cudaStream_t order() const { return batch_.place().stream; }

    /// Room for a batch with so many images a lane, of which staging, x and the result are the first three; the others' places come
    /// from next_image().
    void reserve(std::size_t lanes, std::size_t columns, std::size_t images_per_lane) {
        bool moved = batch_.reserve(lanes);
        moved = memory_.reserve(input_.size() * lanes * images_per_lane) || moved;
        moved = lanes_.reserve(lanes, columns) || moved;
        moved = state_.reserve(state_rows<Loss>(batch_.classes()) * lanes + 1) || moved;
        reserved_ = memory_.size() * sizeof(float) + batch_.bytes_per_lane() * lanes;
        next_image_ = memory_.data();
        staging_ = next_image();
        images_ = attack_images{.x = next_image(), .adversarial = next_image()};
        if (moved) graphs_.clear();
    }
    [[nodiscard]] float* next_image() { return std::exchange(next_image_, next_image_ + input_.size() * place().lanes); }

    /// Brings images first .. first+valid-1 of x, with what the settings say of each, to the device.
    template <class Attack>
    void load(const Attack& attack, double step_size, const images& x, const labels& y, std::size_t first, std::size_t valid,
              const run_settings& settings) {
        const std::size_t lanes = place().lanes, elements = input_.size();
        const auto& host = lanes_.host();
        for (std::size_t l = 0; l < lanes; ++l) {
            const std::size_t i = first + std::min(l, valid - 1);
            host.id[l] = settings.ids.empty() ? i : settings.ids[i];
            host.label[l] = y[i];
            host.target[l] = settings.targets.empty() ? -1 : settings.targets[i];
            host.epsilon[l] = settings.epsilons.empty() ? static_cast<double>(attack.projection.epsilon) : settings.epsilons[i];
            host.step_size[l] = static_cast<float>(settings.step_sizes.empty() ? step_size : settings.step_sizes[i]);
        }
        lanes_.upload(order());
        copy_values(order(), staging_, x[first].data(), valid * elements, cudaMemcpyHostToDevice);
        launch_images_to_lanes(order(), staging_, valid, elements, lanes, images_.x);
        copy_values(order(), images_.adversarial, images_.x, elements * lanes, cudaMemcpyDeviceToDevice);
        copy_values(order(), place().input, images_.x, elements * lanes, cudaMemcpyDeviceToDevice);
    }
    /// What the captured steps of an attack depend on, but for what its engine decides: whether it starts at the clean image and
    /// projects its start, and what is judged.
    template <class Attack>
    [[nodiscard]] captured_key<Loss> key_of(const Attack& attack, const run_settings& settings, std::size_t valid,
                                            bool traced) const {
        captured_key<Loss> k;
        k.lanes = place().lanes;
        k.valid = valid;
        k.steps = attack.steps;
        k.rules = judge_rules{.targets = attack.targets,
                              .keep = attack.keep,
                              .early_stop = attack.early_stop,
                              .aims = attack.targeted(),
                              .steps = static_cast<std::uint32_t>(attack.steps)};
        if constexpr (requires { attack.momentum; }) k.momentum = attack.momentum;
        if constexpr (requires { attack.rho; }) k.rho = attack.rho;
        if constexpr (requires { attack.profile; }) k.profile = attack.profile;
        if constexpr (requires { attack.larger_epsilons; }) k.larger_epsilons = attack.larger_epsilons;
        if constexpr (requires { attack.projection.largest; }) k.largest = attack.projection.largest;
        k.traced = traced;
        k.loss = attack.loss;
        if (attack.targets == target_rule::random) {  // the only draws that a judge makes
            k.seed = attack.seed;
            k.epoch = settings.epoch;
        }
        return k;
    }
    /// Takes what the captured steps depend on, and drops graphs that do something else.
    void configure(const captured_key<Loss>& k) {
        if (!k.same_as(key_)) graphs_.clear();
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
                                      goes_on,
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
    void set_restart(std::size_t restart) const {
        launch(order(), cuda::set_restart<>, {.operation = "beginning a restart", .threads = 32}, lanes_.device(),
               static_cast<std::uint32_t>(restart));
    }
    /// Calls step(0) .. step(steps), from captured graphs where they are not too long; returns how many, fewer when all lanes had ended,
    /// which is looked at every few steps.
    template <class Step>
    std::size_t run_steps(std::size_t steps, bool early_stop, const run_settings& settings, const Step& step) {
        const std::size_t launches = (2 * batch_.steps().list().steps.size() + 8) * (steps + 1);
        constexpr std::size_t most_captured = 30000, steps_between_looks = 8;
        const bool captures = launches <= most_captured;
        const std::size_t each = captures && !early_stop ? steps + 1 : steps_between_looks;
        for (std::size_t first = 0; first <= steps; first += each) {
            const auto run = [&] {
                for (std::size_t i = first; i < std::min(first + each, steps + 1); ++i) step(i);
            };
            if (!captures) {
                run();
            } else {
                if (graphs_.size() == first / each) graphs_.emplace_back(batch_.order(), run);
                graphs_[first / each].run(batch_.order());
            }
            if (first + each > steps) break;
            check_stop(settings, "perturb");
            if (early_stop && lanes_.all_done(batch_.order(), key_.valid)) return first + each;
        }
        return steps + 1;
    }
    /// Brings the results to the host; trace columns from `reached` on, which no iterate had, repeat what the lane kept.
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
                const bool repeats = c >= reached;
                result.trace.loss[i * result.trace.columns + c] = repeats ? s.loss[l] : s.trace_loss[c * lanes + l];
                result.trace.success[i * result.trace.columns + c] = repeats ? s.success[l] : s.trace_success[c * lanes + l];
            }
        }
    }

    batch_session<Precision> batch_;
    extents input_;
    device_vector<float> memory_, state_;
    lane_memory lanes_;
    attack_images images_;
    float *staging_ = nullptr, *next_image_ = nullptr;
    std::size_t reserved_ = 0;
    captured_key<Loss> key_;
    std::vector<captured_graph> graphs_;  ///< of a run's steps, some at a time
};

}  // namespace saddle::cuda
