#pragma once
#include "saddle/core/images.hpp"
#include "saddle/nn/plan.hpp"
#include "saddle/nn/training_settings.hpp"

namespace saddle::reference_backend {

/// One operation of a plan with what it reads besides tensors. All kernels of this backend take one; tensors are [N,C,H,W].
///
/// Kernels keep nothing between passes: `backward` works out masks, maxima and statistics again from the tensors it is given.
template <class T>
struct call {
    const plan& structure;
    std::size_t index;                            ///< of the operation in the plan: the layer of its draws
    std::span<const T> parameters, buffers;       ///< of the whole model
    const training_settings* training = nullptr;  ///< null in evaluation mode
    std::span<const std::uint64_t> ids{};         ///< of the examples, training mode only

    [[nodiscard]] const operation& op() const { return structure.operations[index]; }
    [[nodiscard]] std::span<const T> parameter(std::size_t i) const {
        return parameters.subspan(structure.parameters[i].offset, structure.parameters[i].size);
    }
    [[nodiscard]] std::span<const T> buffer(std::size_t i) const {
        return buffers.subspan(structure.buffers[i].offset, structure.buffers[i].size);
    }
    /// The part of a flat gradient that belongs to parameter i.
    [[nodiscard]] std::span<T> part(std::span<T> gradient, std::size_t i) const {
        return gradient.subspan(structure.parameters[i].offset, structure.parameters[i].size);
    }
};

/// Throws shape_error unless flat weights and buffers have the sizes that the plan asks for.
template <class T>
void require_fitting(const plan& structure, std::span<const T> parameters, std::span<const T> buffers, std::string_view where) {
    require<shape_error>(parameters.size() == structure.parameter_count, where, "number of weights", structure.parameter_count,
                         parameters.size());
    require<shape_error>(buffers.size() == structure.buffer_count, where, "number of buffer values", structure.buffer_count,
                         buffers.size());
}

}  // namespace saddle::reference_backend
