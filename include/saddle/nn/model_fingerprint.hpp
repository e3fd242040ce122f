#pragma once
#include "saddle/core/fingerprint.hpp"
#include "saddle/nn/plan.hpp"

#include <bit>

namespace saddle {

/// A 64-bit fingerprint of a network with its weights: shapes, operations with their settings, parameters, buffers and scalar type.
/// Layers' names do not count; of a user's layer only its place and parameters do.
template <class T>
[[nodiscard]] std::uint64_t fingerprint_model(const plan& p, std::span<const T> parameters, std::span<const T> buffers) {
    std::vector<std::uint64_t> words{sizeof(T), p.tensors.size(), p.operations.size()};
    const auto number = [&](double v) { words.push_back(std::bit_cast<std::uint64_t>(v)); };
    for (const auto& t : p.tensors) words.insert(words.end(), {t.channels, t.height, t.width});
    for (const auto& op : p.operations) {
        const auto& w = op.window;
        words.insert(words.end(), {static_cast<std::uint64_t>(op.kind), op.input, op.second, op.output, w.height, w.width,
                                   w.stride, w.padding, static_cast<std::uint64_t>(op.function), op.groups, op.weight, op.bias,
                                   op.first_parameter, op.parameters, op.buffer});
        number(op.slope), number(op.rate), number(op.epsilon), number(op.momentum);
    }
    std::uint64_t sum = fingerprint(std::as_bytes(std::span<const std::uint64_t>(words)));
    sum = fingerprint(std::as_bytes(parameters), sum);
    return fingerprint(std::as_bytes(buffers), sum);
}

}  // namespace saddle
