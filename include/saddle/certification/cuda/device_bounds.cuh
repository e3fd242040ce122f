#pragma once
#include "saddle/backend/cuda/session.cuh"
#include "saddle/certification/cuda/device_network.cuh"
#include "saddle/certification/cuda/kernels/lines.cuh"

namespace saddle::cuda {

/// Intervals of every value of a network for a batch of input boxes on the device, node after node; with lines, also what
/// back-substitution needs of them. The batch's form of node_bounds. All work is in the order of one stream.
class device_bounds {
public:
    device_bounds(const device_network& network, rounding_model rounding, bool lines, lower_slope rule = lower_slope::area)
        : network_(&network), rounding_(rounding), lines_(lines), rule_(rule) {
        for (std::size_t i = 0; i < size(); ++i) views_.push_back(network.view(i));
    }

    /// Bytes that one image takes.
    [[nodiscard]] std::size_t bytes_per_lane() const {
        auto unplaced = views_;
        return carve(nullptr, 1, unplaced) + 4 * elements() * sizeof(float);
    }
    /// Makes room for batches of up to `lanes` images, a multiple of 64. Throws out_of_device_memory.
    void reserve(std::size_t lanes) {
        if (lanes <= room_) return;
        reserve_lanes(memory_, lanes, bytes_per_lane(), "bounds of a batch on the device");
        reserve_lanes(staging_, lanes, 4 * elements() * sizeof(float), "boxes of a batch on the device");
        room_ = lanes;
    }

    /// Starts with the boxes of `images` images, ends [image][C,H,W] on the host, which must stay until the stream is
    /// synchronized.
    void begin(const float* lower, const float* upper, std::size_t images) {
        images_ = images;
        lanes_ = padded_lanes(images);
        carve(memory_.data(), lanes_, views_);
        const std::size_t values = elements() * images, all = elements() * lanes_;
        const float* ends[2] = {lower, upper};
        float* const by_image = staging_.data();
        for (std::size_t k = 0; k < 2; ++k) {
            copy_values(handle(), by_image + k * all, ends[k], values, cudaMemcpyHostToDevice);
            launch_images_to_lanes(handle(), by_image + k * all, images, elements(), lanes_, by_image + (2 + k) * all);
        }
        launch(handle(), widen_boxes<>, {.operation = "input boxes", .blocks = parts_of(all, 256)}, by_image + 2 * all,
               by_image + 3 * all, all, views_[0].lo, views_[0].hi);
    }

    /// The interval of node i > 0 from those of its inputs; with lines, also the errors behind its values.
    void propagate(std::size_t i) {
        const auto& node = network_->network()[i];
        if (node.kind == operation_kind::convolution) return convolve(i, views_[i], views_[node.input]);
        launch(handle(), bound_values<>, by_value("bounds of a layer", i), views_[i], views_[node.input],
               views_[node.second == none ? node.input : node.second], rounding_, network_->summands(), static_cast<int>(lanes_));
    }

    /// Intervals through convolution i, from and to where `in` and `out` say.
    void convolve(std::size_t i, const node_view& out, const node_view& in) const {
        const auto shape = network_->network()[i].shape;
        const std::size_t tiles = parts_of(shape.channels, std::size_t{interval_channels} * interval_threads);
        launch(handle(), bound_convolution<>,
               {.operation = "bounds of a convolution",
                .blocks = lanes_ / bound_lanes * shape.pixels() * tiles,
                .threads = bound_lanes,
                .threads_y = interval_threads},
               out, in, rounding_, static_cast<int>(lanes_));
    }

    /// After the last change of node i's interval: its lines, and how many values matter.
    void finish(std::size_t i) {
        const auto& node = network_->network()[i];
        if (!views_[i].lower) return;
        launch(handle(), find_lines<>, by_value("lines", i), views_[i], views_[node.input], rounding_, rule_,
               network_->summands(), static_cast<int>(lanes_));
        if (node.is_activation())
            launch(handle(), count_live<>,
                   {.operation = "live values",
                    .blocks = lanes_ / bound_lanes,
                    .threads = bound_lanes,
                    .shared = sizeof(int) * bound_lanes * live_parts,
                    .threads_y = live_parts},
                   views_[i], static_cast<int>(lanes_));
    }

    /// The interval of node i of the batch's images [value][image], for tests and reports.
    void download(std::size_t i, std::vector<double>& lo, std::vector<double>& hi) const {
        const std::size_t count = network_->network()[i].size() * lanes_;
        lo.resize(count);
        hi.resize(count);
        copy_values(handle(), lo.data(), views_[i].lo, count, cudaMemcpyDeviceToHost);
        copy_values(handle(), hi.data(), views_[i].hi, count, cudaMemcpyDeviceToHost);
        order_.synchronize();
    }

    [[nodiscard]] const device_network& network() const { return *network_; }
    [[nodiscard]] const rounding_model& rounding() const { return rounding_; }
    [[nodiscard]] const node_view& view(std::size_t i) const { return views_[i]; }
    /// Lanes of the present batch.
    [[nodiscard]] std::size_t lanes() const { return lanes_; }
    [[nodiscard]] std::size_t images() const { return images_; }
    [[nodiscard]] const stream& order() const { return order_; }
    [[nodiscard]] cudaStream_t handle() const { return order_.handle(); }
    /// Of kernels with a thread for each value of node i and each lane.
    [[nodiscard]] launch_config by_value(std::string_view operation, std::size_t i) const {
        return {.operation = operation,
                .blocks = lanes_ / bound_lanes,
                .threads = bound_lanes,
                .rows = std::min<std::size_t>(parts_of(network_->network()[i].size(), interval_threads), 65535),
                .threads_y = interval_threads};
    }

private:
    static constexpr std::size_t alignment = 16;

    [[nodiscard]] std::size_t size() const { return network_->network().size(); }
    [[nodiscard]] std::size_t elements() const { return network_->network().input().size(); }
    /// Gives every node its part of the memory; returns the bytes.
    std::size_t carve(std::byte* base, std::size_t lanes, std::vector<node_view>& views) const {
        std::size_t bytes = 0;
        const auto give = [&]<class T>(T*& to, std::size_t values, bool wanted = true) {
            if (!wanted) return;
            to = base ? reinterpret_cast<T*>(base + bytes) : nullptr;
            bytes += parts_of(values * lanes * sizeof(T), alignment) * alignment;
        };
        for (std::size_t i = 0; i < size(); ++i) {
            const auto& node = network_->network()[i];
            auto& v = views[i];
            const bool has_lines =
                lines_ && i > 0 &&
                (node.is_activation() || node.kind == operation_kind::scale_shift || !node.constants_in_reader);
            const bool maximum = lines_ && node.kind == operation_kind::max_pool && i > 0;
            give(v.lo, node.size());
            give(v.hi, node.size());
            give(v.error, node.size(), lines_ && i > 0);
            give(v.lower, node.size(), has_lines);
            give(v.upper, node.size(), has_lines);
            give(v.highest, node.size(), maximum);
            give(v.best, node.size(), maximum);
            give(v.live, 1, lines_ && i > 0 && node.is_activation());
        }
        return bytes;
    }

    const device_network* network_;
    rounding_model rounding_;
    bool lines_;
    lower_slope rule_;
    stream order_;
    device_vector<std::byte> memory_;
    device_vector<float> staging_;
    std::vector<node_view> views_;
    std::size_t room_ = 0, lanes_ = 0, images_ = 0;
};

}  // namespace saddle::cuda
