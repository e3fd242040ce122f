#pragma once
#include "saddle/backend/cuda/machine.cuh"
#include "saddle/backend/cuda/weight_gradient.cuh"

#include <algorithm>
#include <cstdint>

namespace saddle::cuda {

/// What a training step needs of a batch on the device beside tensors and logits.
struct training_arrays {
    float* images = nullptr;       ///< [N][elements] as on the host
    float* partial = nullptr;      ///< parts of a weight gradient's sums
    sum_pair* pairs = nullptr;     ///< parts of sums over channels
    std::uint64_t* ids = nullptr;  ///< [lanes], as labels, values and correct
    std::int32_t* labels = nullptr;
    float* values = nullptr;  ///< losses of the examples
    std::uint8_t* correct = nullptr;
};

/// The memory of training_arrays, in one piece. Movable; its machine must outlive it.
template <class Precision>
class training_memory {
public:
    training_memory(const machine<Precision>& program, std::size_t elements) : machine_(&program), elements_(elements) {}

    /// Room for a batch of `lanes` lanes. Throws out_of_device_memory.
    void reserve(std::size_t lanes) {
        memory_.reserve(bytes(lanes));
        (void)carve(memory_.data(), lanes, arrays_);
    }
    /// How many bytes that takes.
    [[nodiscard]] std::size_t bytes(std::size_t lanes) const {
        training_arrays none_yet;
        return carve(nullptr, lanes, none_yet);
    }
    [[nodiscard]] const training_arrays& arrays() const { return arrays_; }

private:
    std::size_t carve(std::byte* base, std::size_t lanes, training_arrays& a) const {
        std::size_t bytes = 0, partial = 1, pairs = 1;
        const step_list& list = machine_->list();  // not auto: nvcc takes no list of what depends on a template
        for (std::size_t i = 0; i < list.steps.size(); ++i) {
            const auto& op = list.steps[i].op;
            if (op.kind == operation_kind::convolution)
                partial = std::max(partial,
                                   gradient_scratch<Precision>(machine_->convolution(i).forward, lanes, machine_->uses_wgmma()));
            for (const std::size_t t : {op.output, op.input}) {
                const extents shape = list.tensors[t].shape;
                pairs = std::max(pairs, shape.channels * tuning::channel_parts(shape.pixels() * lanes / 4));
            }
        }
        const auto give = [&]<class T>(T*& to, std::size_t count) {
            to = base ? reinterpret_cast<T*>(base + bytes) : nullptr;
            bytes += parts_of(count * sizeof(T), 256) * 256;
        };
        give(a.images, elements_ * lanes);
        give(a.partial, partial);
        give(a.pairs, pairs);
        give(a.ids, lanes);
        give(a.labels, lanes);
        give(a.values, lanes);
        give(a.correct, lanes);
        return bytes;
    }

    const machine<Precision>* machine_;
    std::size_t elements_;
    device_vector<std::byte> memory_;
    training_arrays arrays_;
};

}  // namespace saddle::cuda
