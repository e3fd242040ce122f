#pragma once
#include "saddle/backend/cuda/kernels/transfer.cuh"
#include "saddle/backend/cuda/small_network.cuh"
#include "saddle/core/array_lanes.hpp"

#include <memory>

namespace saddle::cuda {

/// The launch of a transposition, tile by tile.
[[nodiscard]] inline launch_config over_tiles(std::string_view operation, std::size_t elements, std::size_t lanes) {
    return {.operation = operation,
            .blocks = lanes / transfer_tile,
            .threads = transfer_tile,
            .shared = sizeof(float) * transfer_tile * (transfer_tile + 1),
            .rows = std::min<std::size_t>(parts_of(elements, transfer_tile), 65535),
            .threads_y = 8};
}
/// Moves images [N][elements] on the device into lanes, or back.
inline void launch_images_to_lanes(cudaStream_t stream, const float* images, std::size_t count, std::size_t elements,
                                   std::size_t lanes, float* to) {
    launch(stream, images_to_lanes<>, over_tiles("images to lanes", elements, lanes), images, static_cast<int>(count),
           static_cast<std::uint32_t>(elements), static_cast<int>(lanes), to);
}
inline void launch_lanes_to_images(cudaStream_t stream, const float* from, std::size_t count, std::size_t elements,
                                   std::size_t lanes, float* images) {
    launch(stream, lanes_to_images<>, over_tiles("lanes to images", elements, lanes), from, static_cast<int>(count),
           static_cast<std::uint32_t>(elements), static_cast<int>(lanes), images);
}

/// The memory of one batch on the device, and the two passes over it. Movable; its machine must outlive it.
template <class Precision>
class batch_session {
public:
    /// `small`: a network that small_network takes runs through it; for programs of evaluation mode.
    explicit batch_session(const machine<Precision>& program, extents input, std::size_t classes, bool small = false)
        : machine_(&program), elements_(input.size()), classes_(classes) {
        if (small) small_ = small_network<Precision>::of(program);
    }

    /// Room for a batch of `lanes` lanes, a multiple of 64. True when the memory moved, so that captured work is void. Throws
    /// out_of_device_memory, which names the batch size to try.
    bool reserve(std::size_t lanes) {
        bool moved = reserve_lanes(memory_, lanes, bytes_per_lane(), "a batch on the device") || lanes != place_.lanes;
        place_.stream = stream_.handle();
        place_.lanes = lanes;
        place_.storage = memory_.data();
        place_.input = reinterpret_cast<float*>(memory_.data() + machine_->storage_size() * lanes);
        place_.input_gradient = place_.input + elements_ * lanes;
        place_.logits = place_.input_gradient + elements_ * lanes;
        place_.logits_gradient = place_.logits + classes_ * lanes;
        place_.maps = maps_.get();
        if (moved) maps_->clear();
        if (small_) moved = small_->reserve(lanes) || moved;
        return moved;
    }
    [[nodiscard]] std::size_t bytes_per_lane() const {
        return machine_->storage_size() + 2 * (elements_ + classes_) * sizeof(float) + (small_ ? small_->bytes_per_lane() : 0);
    }

    /// Logits of place().input.
    void forward() const {
        if (small_) {
            small_->forward(place_);
            return small_->judge(place_, false);
        }
        for (std::size_t i = 0; i < machine_->list().steps.size(); ++i) machine_->forward(i, place_);
    }
    /// From place().logits_gradient to place().input_gradient, or to `finish` where fuses_input() says so.
    template <class Finish>
    void backward(const Finish* finish) const {
        if (small_) {
            small_->judge(place_, true);
            return backward_through_trunk(finish);
        }
        for (std::size_t i = machine_->list().steps.size(); i-- > 0;) machine_->backward(i, place_, finish);
    }
    /// The rest of a small network's backward pass, from its features' gradient.
    template <class Finish>
    void backward_through_trunk(const Finish* finish) const {
        if (!small_->has_trunk()) return;  // the head has left the input's
        if (finish)
            small_->backward(place_, *finish);
        else
            small_->backward(place_, store_few<float>{{.gradient = place_.input_gradient}});
    }
    /// Whether a `finish` can take what the backward pass leaves at the images.
    [[nodiscard]] bool fuses_input() const { return small_ ? small_->has_trunk() : machine_->fuses_input(); }
    /// The network as a small one, or nullptr.
    [[nodiscard]] const small_network<Precision>* small() const { return small_ ? &*small_ : nullptr; }
    void backward() const { backward<store_few<float>>(nullptr); }

    [[nodiscard]] const batch_memory& place() const { return place_; }
    [[nodiscard]] const stream& order() const { return stream_; }
    [[nodiscard]] std::size_t elements() const { return elements_; }
    [[nodiscard]] std::size_t classes() const { return classes_; }
    [[nodiscard]] const machine<Precision>& steps() const { return *machine_; }

private:
    const machine<Precision>* machine_;
    std::size_t elements_, classes_;
    std::optional<small_network<Precision>> small_;
    stream stream_;
    device_vector<std::byte> memory_;
    std::unique_ptr<tensor_maps> maps_ = std::make_unique<tensor_maps>();
    batch_memory place_{};
};

/// A session on host blocks of 64 lanes, as every attack that is written for sessions wants it: the network runs on the device,
/// the attack's own arithmetic on the host. Attacks that the program runs as a whole do not come here.
template <class Precision>
class session {
public:
    using vector = array_lanes<float, lane_number<lane_step>>;
    using value_type = float;

    session(const machine<Precision>& program, extents input, std::size_t classes, bool small)
        : batch_(program, input, classes, small) {
        batch_.reserve(lane_step);
    }

    /// Logits [K][lane] of the images x [C,H,W][lane].
    void forward(const float* x, float* logits) {
        const auto& m = batch_.place();
        copy_values(m.stream, m.input, x, batch_.elements() * lane_step, cudaMemcpyHostToDevice);
        batch_.forward();
        copy_values(m.stream, logits, m.logits, batch_.classes() * lane_step, cudaMemcpyDeviceToHost);
        batch_.order().synchronize();
    }
    /// Input gradient [C,H,W][lane] of Σ_k logits_gradient[k]·logits[k] at the last forward pass; assigned.
    void backward(const float* logits_gradient, float* input_gradient) {
        const auto& m = batch_.place();
        copy_values(m.stream, m.logits_gradient, logits_gradient, batch_.classes() * lane_step, cudaMemcpyHostToDevice);
        batch_.backward();
        copy_values(m.stream, input_gradient, m.input_gradient, batch_.elements() * lane_step, cudaMemcpyDeviceToHost);
        batch_.order().synchronize();
    }

private:
    batch_session<Precision> batch_;
};

}  // namespace saddle::cuda
