#pragma once
#include "saddle/backend/cuda/apgd.cuh"
#include "saddle/backend/cuda/attack.cuh"
#include "saddle/backend/cuda/weights.cuh"

#include <map>
#include <memory>
#include <mutex>
#include <typeindex>

namespace saddle::cuda {

/// The immutable inference program on the device: evaluation mode, batch norm folded, ReLU and sums fused, weights packed.
template <class Precision>
class program {
public:
    using session_type = session<Precision>;
    using vector = typename session_type::vector;
    using value_type = float;

    program(const plan& p, std::span<const float> parameters, std::span<const float> buffers)
        : input_(p.input()), classes_(p.classes()), machine_(std::make_unique<machine<Precision>>(p, false, read_device())),
          work_(std::make_unique<workplace>(*machine_, input_, classes_)) {
        update(parameters, buffers);
    }

    [[nodiscard]] extents input() const { return input_; }
    [[nodiscard]] std::size_t classes() const { return classes_; }
    [[nodiscard]] session_type make_session() const { return session_type(*machine_, input_, classes_, fuses_small_network()); }
    [[nodiscard]] const machine<Precision>& steps() const { return *machine_; }
    /// Packs changed weights of the same plan. Throws shape_error when their number does not fit it.
    void update(std::span<const float> parameters, std::span<const float> buffers) {
        machine_->upload(stream_.handle(), parameters, buffers);
        machine_->pack(stream_.handle());
        stream_.synchronize();
    }
    /// Packs the weights that a training keeps on the device.
    void update(const device_weights<Precision>& weights) {
        machine_->copy_weights(stream_.handle(), weights.program());
        machine_->pack(stream_.handle());
        stream_.synchronize();
    }

    /// Whether a network that small_network takes runs through it, as it does from the start, or layer by layer; of sessions those made
    /// later.
    void fuse_small_networks(bool on) {
        std::lock_guard lock(work_->mutex);
        work_->batch = batch_session<Precision>(*machine_, input_, classes_, on);
        work_->engines.clear();
    }
    /// True when it runs through small_network: it fits the device, and nobody has said otherwise.
    [[nodiscard]] bool fuses_small_network() const {
        std::lock_guard lock(work_->mutex);
        return work_->batch.small() != nullptr;
    }

    /// Whether convolutions in bf16 and TF32 run by warpgroup products where they fit (sm_90a), which they do not from the start; bits
    /// may differ. Throws cuda_error in fp32 and where the device or the build has none.
    void use_wgmma(bool on) {
        std::lock_guard lock(work_->mutex);
        machine_->use_wgmma(on);
        machine_->pack(stream_.handle());
        stream_.synchronize();
        work_->engines.clear();
    }

    /// Logits [N][K] of images whose extents have been checked, in batches that fit the device.
    void logits(const images& x, std::span<float> z) const {
        std::lock_guard lock(work_->mutex);
        auto& batch = work_->batch;
        const std::size_t elements = input_.size(),
                          most = fitting_lanes(batch.bytes_per_lane() + (elements + classes_) * sizeof(float));
        for (std::size_t first = 0; first < x.size();) {
            const std::size_t count = share(x.size() - first, most), lanes = padded_lanes(count);
            batch.reserve(lanes);
            work_->staging.reserve((elements + classes_) * lanes);
            const auto& m = batch.place();
            float* const staged = work_->staging.data();
            copy_values(m.stream, staged, x[first].data(), count * elements, cudaMemcpyHostToDevice);
            launch_images_to_lanes(m.stream, staged, count, elements, lanes, m.input);
            batch.forward();
            launch_lanes_to_images(m.stream, m.logits, count, classes_, lanes, staged);
            copy_values(m.stream, z.data() + first * classes_, staged, count * classes_, cudaMemcpyDeviceToHost);
            batch.order().synchronize();
            first += count;
        }
    }

    /// Runs a gradient attack on the device as a whole, batch by batch. False when it must go lane by lane through sessions: for
    /// threats without device kernels, budgets and deadlines.
    template <class Loss, class Projection>
    bool run_whole(const gradient_attack<Loss, Projection>& attack, const images& x, const labels& y,
                   const run_settings& settings, attack_result<float>& result) const {
        if constexpr (!device_threat<Projection>) {
            return false;
        } else {
            if (settings.limited()) return false;
            return run_engine<attack_engine<Precision, gradient_attack<Loss, Projection>>>(attack, x, y, settings, result);
        }
    }
    /// The same for APGD.
    template <class Loss, class Projection>
    bool run_whole(const apgd_attack<Loss, Projection>& attack, const images& x, const labels& y, const run_settings& settings,
                   attack_result<float>& result) const {
        using engine = apgd_engine<Precision, Loss, Projection>;
        return engine::takes(attack) && !settings.limited() && run_engine<engine>(attack, x, y, settings, result);
    }

private:
    /// What runs on the device between calls: batches and engines with their memory and captured graphs. One caller at a time.
    struct workplace {
        explicit workplace(const machine<Precision>& program, extents input, std::size_t classes)
            : batch(program, input, classes, true) {}
        std::mutex mutex;
        batch_session<Precision> batch;
        device_vector<float> staging;
        std::map<std::type_index, std::shared_ptr<void>> engines;
    };
    static constexpr std::size_t largest_batch = 8192;

    /// Batch by batch through an engine, which is kept.
    template <class Engine, class Attack>
    bool run_engine(const Attack& attack, const images& x, const labels& y, const run_settings& settings,
                    attack_result<float>& result) const {
        std::lock_guard lock(work_->mutex);
        auto& kept = work_->engines[std::type_index(typeid(Engine))];
        if (!kept) kept = std::make_shared<Engine>(*machine_, input_, classes_, work_->batch.small() != nullptr);
        auto& runs = *static_cast<Engine*>(kept.get());
        const std::size_t most = runs.most_lanes(attack, result.trace.columns);
        for (std::size_t first = 0; first < x.size();) {
            const std::size_t count = share(x.size() - first, most);
            runs.run(attack, x, y, first, count, settings, result);
            first += count;
            if (settings.progress) settings.progress(first, x.size());
        }
        return true;
    }

    [[nodiscard]] std::size_t fitting_lanes(std::size_t each) const {
        std::size_t free = 0, total = 0;
        check(cudaMemGetInfo(&free, &total), "asking for free memory");
        const std::size_t held = work_->batch.place().lanes * each;
        return std::max(lane_step, (free + held) / each * 4 / 5 / lane_step * lane_step);
    }
    /// The next batch of `left` images: all of them, or equal parts that fit.
    [[nodiscard]] static std::size_t share(std::size_t left, std::size_t most) {
        const std::size_t limit = std::min(most, largest_batch), parts = parts_of(left, limit);
        return std::min(left, padded_lanes(parts_of(left, parts)));
    }

    extents input_;
    std::size_t classes_;
    std::unique_ptr<machine<Precision>> machine_;
    stream stream_;
    std::unique_ptr<workplace> work_;
};

}  // namespace saddle::cuda
