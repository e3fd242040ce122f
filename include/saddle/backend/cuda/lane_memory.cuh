#pragma once
#include "saddle/backend/cuda/context.cuh"
#include "saddle/backend/cuda/kernels/judge.cuh"

#include <cstring>

namespace saddle::cuda {

/// The lanes' records on the device and their mirror on the host, in one piece each.
class lane_memory {
public:
    /// Room for `lanes` lanes and a trace of `columns` columns. True when pointers changed.
    bool reserve(std::size_t lanes, std::size_t columns) {
        std::size_t bytes = 0;
        (void)carve(nullptr, lanes, columns, bytes);
        const bool moved = memory_.reserve(bytes) || lanes != lanes_ || columns != columns_;
        mirror_.reserve(bytes);
        lanes_ = lanes;
        columns_ = columns;
        used_ = bytes;
        (void)carve(nullptr, lanes, 0, records_);
        device_ = carve(memory_.data(), lanes, columns, bytes);
        host_ = carve(mirror_.data(), lanes, columns, bytes);
        return moved;
    }
    [[nodiscard]] const lane_state& device() const { return device_; }
    [[nodiscard]] const lane_state& host() const { return host_; }

    /// Uploads what the host fills in: all but the trace.
    void upload(cudaStream_t stream) const {
        copy_values(stream, memory_.data(), mirror_.data(), records_, cudaMemcpyHostToDevice);
    }
    void download(cudaStream_t stream) const {
        copy_values(stream, mirror_.data(), memory_.data(), used_, cudaMemcpyDeviceToHost);
    }
    /// Waits for the device; true when the first `count` lanes have ended.
    [[nodiscard]] bool all_done(const stream& s, std::size_t count) const {
        copy_values(s.handle(), host_.done, device_.done, count, cudaMemcpyDeviceToHost);
        s.synchronize();
        return std::all_of(host_.done, host_.done + count, [](std::uint8_t d) { return d != 0; });
    }

private:
    static lane_state carve(std::byte* base, std::size_t lanes, std::size_t columns, std::size_t& bytes) {
        lane_state s;
        bytes = 0;
        const auto give = [&]<class T>(T*& to, std::size_t count) {
            to = base ? reinterpret_cast<T*>(base + bytes) : nullptr;
            bytes += (count * sizeof(T) + 255) / 256 * 256;
        };
        give(s.id, lanes);
        give(s.epsilon, lanes);
        for (float** each : {&s.step_size, &s.goal, &s.truth, &s.loss, &s.objective}) give(*each, lanes);
        for (std::int32_t** each : {&s.label, &s.target, &s.clean_prediction, &s.adversarial_prediction}) give(*each, lanes);
        for (std::uint32_t** each : {&s.forwards, &s.gradients}) give(*each, lanes);
        for (std::uint8_t** each : {&s.success, &s.usable, &s.done, &s.flawed, &s.take, &s.moves}) give(*each, lanes);
        give(s.restart, 1);
        if (columns > 0) {
            give(s.trace_loss, columns * lanes);
            give(s.trace_success, columns * lanes);
        }
        return s;
    }

    device_vector<std::byte> memory_;
    pinned_vector<std::byte> mirror_;
    lane_state device_, host_;
    std::size_t lanes_ = 0, columns_ = 0, used_ = 0, records_ = 0;
};

}  // namespace saddle::cuda
