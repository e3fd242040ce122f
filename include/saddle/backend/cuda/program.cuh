#pragma once
#include "saddle/backend/cuda/session.cuh"
#include "saddle/core/images.hpp"

#include <memory>

namespace saddle::cuda {

/// The immutable inference program on the device: evaluation mode, batch norm folded, ReLU and sums fused, weights packed.
template <class Precision>
class program {
public:
    using session_type = session<Precision>;
    using vector = typename session_type::vector;
    using value_type = float;

    program(const plan& p, std::span<const float> parameters, std::span<const float> buffers)
        : input_(p.input()), classes_(p.classes()), machine_(std::make_unique<machine<Precision>>(p, false, read_device())) {
        update(parameters, buffers);
    }

    [[nodiscard]] extents input() const { return input_; }
    [[nodiscard]] std::size_t classes() const { return classes_; }
    [[nodiscard]] session_type make_session() const { return session_type(*machine_, input_, classes_); }
    [[nodiscard]] const machine<Precision>& steps() const { return *machine_; }
    /// Packs changed weights of the same plan. Throws shape_error when their number does not fit it.
    void update(std::span<const float> parameters, std::span<const float> buffers) {
        machine_->pack(stream_.handle(), parameters, buffers);
        stream_.synchronize();
    }

private:
    extents input_;
    std::size_t classes_;
    std::unique_ptr<machine<Precision>> machine_;
    stream stream_;
};

}  // namespace saddle::cuda
