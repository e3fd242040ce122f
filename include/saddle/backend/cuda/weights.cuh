#pragma once
#include "saddle/backend/cuda/kernels/update.cuh"
#include "saddle/backend/cuda/machine.cuh"

#include <array>

namespace saddle::cuda {

/// The weights, running statistics and gradient of a training and what its optimizer carries, kept on the device from step to step.
/// They cross the bus in load, store and lend_gradient alone.
template <class Precision>
class device_weights {
public:
    explicit device_weights(machine<Precision>& m) : machine_(&m) {
        gradient_.reserve(m.parameter_count() + 1);
        flag_.reserve(1);
        host_flag_.reserve(1);
    }

    /// Takes weights and an optimizer's state from the host. Throws shape_error when their numbers do not fit the plan.
    template <class State>
    void load(std::span<const float> parameters, std::span<const float> buffers, State& state) {
        machine_->upload(order(), parameters, buffers);
        stale_ = true;
        const auto arrays = state.arrays();
        kept_.resize(arrays.size());
        for (std::size_t k = 0; k < arrays.size(); ++k) {
            kept_[k].reserve(arrays[k]->size());
            copy_values(order(), kept_[k].data(), arrays[k]->data(), arrays[k]->size(), cudaMemcpyHostToDevice);
        }
        std::vector<update_range> ranges;
        for (const auto& r : state.ranges) ranges.push_back({r.first, static_cast<float>(r.weight_decay)});
        ranges_.reserve(ranges.size() + 1);
        range_count_ = ranges.size();
        copy_values(order(), ranges_.data(), ranges.data(), ranges.size(), cudaMemcpyHostToDevice);
        stream_.synchronize();
    }
    /// Brings weights and the optimizer's arrays to the host.
    template <class State>
    void store(std::span<float> parameters, std::span<float> buffers, State& state) const {
        copy_values(order(), parameters.data(), machine_->values(), parameters.size(), cudaMemcpyDeviceToHost);
        copy_values(order(), buffers.data(), machine_->all_buffers(), buffers.size(), cudaMemcpyDeviceToHost);
        const auto arrays = state.arrays();
        for (std::size_t k = 0; k < arrays.size(); ++k)
            copy_values(order(), arrays[k]->data(), kept_[k].data(), arrays[k]->size(), cudaMemcpyDeviceToHost);
        stream_.synchronize();
    }

    /// Begins a step: remembers the weights, clears the gradient.
    void begin_step() {
        before_.reserve(machine_->value_count() + 1);
        copy_values(order(), before_.data(), machine_->values(), machine_->value_count(), cudaMemcpyDeviceToDevice);
        clear_gradient();
        stream_.synchronize();
    }
    /// The weights are again those that the step began with.
    void undo_step() {
        copy_values(order(), machine_->values(), before_.data(), machine_->value_count(), cudaMemcpyDeviceToDevice);
        stream_.synchronize();
        stale_ = true;
    }
    /// One update by an optimizer's rule, which load was given the state of.
    template <class Rule>
    void update(const Rule& rule) {
        take_gradient_back();
        kept_arrays<Rule::kept> kept{};
        for (std::size_t k = 0; k < Rule::kept; ++k) kept.at[k] = kept_[k].size() > 0 ? kept_[k].data() : nullptr;
        launch(order(), update_weights<Rule>,
               {.operation = "update of the weights",
                .blocks = parts_of(machine_->parameter_count(), update_threads),
                .threads = update_threads},
               rule, static_cast<const update_range*>(ranges_.data()), static_cast<int>(range_count_),
               static_cast<const float*>(gradient_.data()), kept, machine_->values(), machine_->parameter_count());
        stale_ = true;
    }
    [[nodiscard]] bool gradient_is_finite() {
        take_gradient_back();
        return is_finite(gradient_.data(), machine_->parameter_count());
    }
    /// Of weights and running statistics.
    [[nodiscard]] bool are_finite() { return is_finite(machine_->values(), machine_->value_count()); }

    /// Copies the gradient so far to the host, where an objective may change it until the device next needs it.
    void lend_gradient(std::span<float> to) {
        if (lent_.data() == to.data() && !lent_.empty()) return;
        copy_values(order(), to.data(), gradient_.data(), to.size(), cudaMemcpyDeviceToHost);
        stream_.synchronize();
        lent_ = to;
    }
    void take_gradient_back() {
        if (lent_.empty()) return;
        copy_values(order(), gradient_.data(), lent_.data(), lent_.size(), cudaMemcpyHostToDevice);
        stream_.synchronize();
        lent_ = {};
    }

    /// For the training program: weights from the host for one pass, the gradient, and the packed weights where they have changed.
    void use(std::span<const float> parameters, std::span<const float> buffers) {
        machine_->upload(order(), parameters, buffers);
        stale_ = true;
    }
    void clear_gradient() {
        lent_ = {};
        check(cudaMemsetAsync(gradient_.data(), 0, machine_->parameter_count() * sizeof(float), order()),
              "clearing the gradient");
    }
    [[nodiscard]] float* gradient() const { return gradient_.data(); }
    /// The packed weights no longer fit.
    void pack_again() { stale_ = true; }
    void pack() {
        if (std::exchange(stale_, false)) machine_->pack(order());
        stream_.synchronize();
    }
    [[nodiscard]] const machine<Precision>& program() const { return *machine_; }

private:
    [[nodiscard]] cudaStream_t order() const { return stream_.handle(); }
    bool is_finite(const float* values, std::size_t count) {
        check(cudaMemsetAsync(flag_.data(), 0, sizeof(int), order()), "clearing a flag");
        launch(order(), find_not_finite<>,
               {.operation = "search for values that are not finite",
                .blocks = std::min<std::size_t>(parts_of(count, update_threads), 1024),
                .threads = update_threads},
               values, count, flag_.data());
        copy_values(order(), host_flag_.data(), flag_.data(), 1, cudaMemcpyDeviceToHost);
        stream_.synchronize();
        return host_flag_.data()[0] == 0;
    }

    machine<Precision>* machine_;
    stream stream_;
    device_vector<float> gradient_, before_;
    std::vector<device_vector<float>> kept_;
    device_vector<update_range> ranges_;
    device_vector<int> flag_;
    pinned_vector<int> host_flag_;
    std::span<float> lent_;
    std::size_t range_count_ = 0;
    bool stale_ = true;
};

}  // namespace saddle::cuda
