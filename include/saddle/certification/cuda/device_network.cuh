#pragma once
#include "saddle/backend/cuda/context.cuh"
#include "saddle/backend/cuda/launch.cuh"
#include "saddle/certification/bound_network.hpp"
#include "saddle/certification/cuda/kernels/node_view.cuh"

namespace saddle::cuda {

/// A network under certification with its weights on the device, packed for the kernels of bounds in double.
///
/// Throws cuda_error, and what bound_network throws for networks that have no relaxation.
class device_network {
public:
    explicit device_network(bound_network<double> network) : network_(std::move(network)) {
        std::vector<double> packed;
        for (const auto& node : network_.nodes()) places_.push_back(pack(node, packed));
        weights_.reserve(packed.size() + 2);
        const stream order;
        copy_values(order.handle(), weights_.data(), packed.data(), packed.size(), cudaMemcpyHostToDevice);
        order.synchronize();
        for (std::size_t i = 0; i < network_.size(); ++i) views_.push_back(view_of(i));
    }

    [[nodiscard]] const bound_network<double>& network() const { return network_; }
    /// Node i without the memory of a batch.
    [[nodiscard]] const node_view& view(std::size_t i) const { return views_[i]; }
    /// More than a bound's constants can have summands.
    [[nodiscard]] std::size_t summands() const {
        std::size_t sum = 64;
        for (const auto& node : network_.nodes()) sum += node.size() + 8;
        return sum;
    }

private:
    /// Where a node's numbers stand among the weights; `none`: it has no such numbers.
    struct place {
        std::size_t forward = none, backward = none, scale = none, shift = none;
        std::size_t forward_columns = 0, columns = 0, padded_columns = 0;
    };
    static std::size_t padded(std::size_t columns) { return parts_of(columns, 4) * 4; }
    static std::size_t append(std::vector<double>& packed, std::size_t count) {
        const std::size_t at = packed.size();
        packed.resize(at + padded(count), 0.);
        return at;
    }
    static std::size_t append(std::vector<double>& packed, const std::vector<double>& values) {
        if (values.empty()) return none;
        const std::size_t at = append(packed, values.size());
        std::copy(values.begin(), values.end(), packed.begin() + static_cast<std::ptrdiff_t>(at));
        return at;
    }
    place pack(const bound_node<double>& node, std::vector<double>& packed) const {
        place p;
        p.scale = append(packed, node.scale);
        p.shift = append(packed, node.shift);
        if (node.kind != operation_kind::convolution || node.input == none) return p;
        const auto& w = node.window;
        const std::size_t inputs = network_[node.input].shape.channels, outputs = node.shape.channels, s = w.stride;
        const std::size_t across = parts_of(w.width, s);
        p.forward_columns = padded(outputs);
        p.columns = s * s * inputs;
        p.padded_columns = padded(p.columns);
        p.forward = append(packed, w.height * w.width * inputs * p.forward_columns);
        p.backward = append(packed, parts_of(w.height, s) * across * outputs * p.padded_columns);
        for (std::size_t t = 0; t < w.height * w.width; ++t) {
            const std::size_t ky = t / w.width, kx = t % w.width, group = ky / s * across + kx / s;
            const std::size_t column = (ky % s * s + kx % s) * inputs;
            for (std::size_t c = 0; c < inputs; ++c)
                for (std::size_t o = 0; o < outputs; ++o) {
                    const double value = node.forward_weights[(t * inputs + c) * node.outputs_padded + o];
                    packed[p.forward + (t * inputs + c) * p.forward_columns + o] = value;
                    packed[p.backward + (group * outputs + o) * p.padded_columns + column + c] = value;
                }
        }
        return p;
    }
    [[nodiscard]] node_view view_of(std::size_t i) const {
        const auto& node = network_[i];
        const auto& p = places_[i];
        const auto number = [](std::size_t n) {
            require(n < std::size_t{1} << 31, "certify on the device", "size of a layer", "less than 2^31 values", n);
            return static_cast<int>(n);
        };
        const auto at = [&](std::size_t offset) { return offset == none ? nullptr : weights_.data() + offset; };
        (void)number(node.size());
        node_view v;
        v.kind = node.kind;
        v.function = node.function;
        v.constants_in_reader = node.constants_in_reader;
        v.channels = number(node.shape.channels), v.height = number(node.shape.height), v.width = number(node.shape.width);
        v.kernel_height = number(node.window.height), v.kernel_width = number(node.window.width);
        v.stride = number(node.window.stride), v.padding = number(node.window.padding);
        v.readers = node.consumers > 1 ? number(node.consumers) : 0;
        v.slope = node.slope, v.share = node.share;
        v.forward_weights = at(p.forward), v.backward_weights = at(p.backward);
        v.forward_columns = number(p.forward_columns), v.columns = number(p.columns);
        v.padded_columns = number(p.padded_columns);
        v.scale = at(p.scale), v.shift = at(p.shift);
        return v;
    }

    bound_network<double> network_;
    std::vector<place> places_;
    device_vector<double> weights_;
    std::vector<node_view> views_;
};

}  // namespace saddle::cuda
