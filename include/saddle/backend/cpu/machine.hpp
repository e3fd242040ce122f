#pragma once
#include "saddle/backend/cpu/group_norm.hpp"
#include "saddle/backend/cpu/pooling.hpp"
#include "saddle/core/worker_pool.hpp"
#include "saddle/nn/custom_layer.hpp"

#include <span>

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// The two forms a convolution can take; layer shape alone decides.
struct convolution_unit {
    convolution direct;
    winograd forward, backward;
    bool transformed = false;
    std::size_t pool = none;  ///< the step of a max pool that the convolution does as well
    std::size_t winner = 0;   ///< where in the storage that pool's winners stand
};

/// What a program may leave out.
struct program_settings {
    bool winograd = true;   ///< Winograd for 3×3 convolutions with stride 1 and enough channels; off gives direct sums only
    bool training = false;  ///< keeps batch norm and dropout as operations
    bool fuse = true;       ///< joins ReLU, batch norm and max pools to the operation before; off keeps them apart

    /// Whether Winograd convolutions do the max pools after them; what stands between has no values in memory then.
    [[nodiscard]] bool joins_pools() const { return winograd && fuse && !training; }
};

/// Memory of one block: tensors and gradients, and the caller's input, logits and their gradients.
template <class T>
struct block_memory {
    T* storage = nullptr;
    T* scratch = nullptr;
    T* input = nullptr;
    T* logits = nullptr;
    T* logits_gradient = nullptr;
    T* input_gradient = nullptr;           ///< nullptr: not wanted
    bool overwrites_values = false;        ///< gradients stand where the values stood, as far as no later step needs those
    const T* const* parameters = nullptr;  ///< of custom layers: where each of the plan's stands, machine::parameter_places
};

/// Steps, layouts and packed weights: what inference and training run on a block of V::size lanes.
template <class V>
class machine {
public:
    using T = typename V::value_type;
    static constexpr std::size_t lanes = V::size;

    machine(const plan& p, program_settings settings)
        : list_(make_steps(p, settings.training, settings.fuse, settings.joins_pools())), parameters_(p.parameters),
          buffers_(p.buffers), parameter_count_(p.parameter_count), buffer_count_(p.buffer_count), settings_(settings) {
        units_.resize(list_.steps.size());
        constants_.resize(list_.steps.size());
        joined_.assign(list_.steps.size(), false);
        std::size_t used = 0;
        for (std::size_t i = 0; i < list_.steps.size(); ++i) plan_unit(i, used);
        packed_.resize(used);
        place_tensors();
        find_replaced_values();
    }

    /// Packs weights for the kernels; may be called again after the weights changed. With a pool, its threads share the layers.
    void pack(std::span<const T> parameters, std::span<const T> buffers, worker_pool* pool = nullptr) {
        require<shape_error>(parameters.size() == parameter_count_ && buffers.size() == buffer_count_, "program",
                             "numbers of parameters and buffers", text(parameter_count_, " and ", buffer_count_),
                             text(parameters.size(), " and ", buffers.size()));
        values_.assign(parameters.begin(), parameters.end());
        const auto each = [&](std::size_t i, std::size_t) { pack_step(i, parameters, buffers); };
        if (pool) return pool->for_each(list_.steps.size(), each);
        for (std::size_t i = 0; i < list_.steps.size(); ++i) each(i, 0);
    }

    [[nodiscard]] const step_list& list() const { return list_; }
    [[nodiscard]] const convolution_unit& unit(std::size_t i) const { return units_[i]; }
    [[nodiscard]] const T* packed() const { return packed_.data(); }
    /// Scales, then shifts of a scale_shift or batch_norm step, per channel.
    [[nodiscard]] const T* constants(std::size_t i) const { return packed_.data() + constants_[i]; }
    [[nodiscard]] std::size_t storage_size() const { return storage_size_; }
    [[nodiscard]] std::size_t scratch_size() const { return scratch_size_; }

    [[nodiscard]] T* value_storage(std::size_t tensor, const block_memory<T>& m) const {
        return tensor == 0 ? m.input : tensor == list_.output ? m.logits : m.storage + value_offset_[tensor];
    }
    [[nodiscard]] T* gradient_storage(std::size_t tensor, const block_memory<T>& m) const {
        if (tensor == 0) return m.input_gradient;
        if (tensor == list_.output) return m.logits_gradient;
        return m.storage + (m.overwrites_values && replaces_value_[tensor] ? value_offset_ : gradient_offset_)[tensor];
    }
    [[nodiscard]] block<T> value(std::size_t tensor, const block_memory<T>& m) const {
        return list_.tensors[tensor].view(value_storage(tensor, m), lanes);
    }
    [[nodiscard]] block<T> gradient(std::size_t tensor, const block_memory<T>& m) const {
        return list_.tensors[tensor].view(gradient_storage(tensor, m), lanes);
    }
    /// The tensor that step i writes, and whose gradient it reads: its own output, or that of the pool joined to it.
    [[nodiscard]] std::size_t result(std::size_t i) const {
        return list_.steps[units_[i].pool == none ? i : units_[i].pool].op.output;
    }
    /// Whether anyone wants the gradient of a tensor: the caller, or weights before it.
    [[nodiscard]] bool wants_gradient(std::size_t tensor, const block_memory<T>& m) const {
        return m.input_gradient || depends_on_weights_[tensor];
    }

    /// Where each parameter stands after `pack`; packing again keeps the places.
    [[nodiscard]] std::vector<const T*> parameter_places() const {
        std::vector<const T*> places(parameters_.size());
        for (std::size_t k = 0; k < places.size(); ++k) places[k] = values_.data() + parameters_[k].offset;
        return places;
    }

    void forward(std::size_t i, const block_memory<T>& m) const;
    void backward(std::size_t i, const block_memory<T>& m) const;

private:
    void plan_unit(std::size_t i, std::size_t& used) {
        const auto& s = list_.steps[i];
        if (s.op.kind == operation_kind::scale_shift || s.op.kind == operation_kind::batch_norm) {
            constants_[i] = used;
            used += 2 * list_.tensors[s.op.output].shape.channels;
            used = (used + 15) / 16 * 16;
        }
        if (s.op.kind != operation_kind::convolution) return;
        auto& unit = units_[i];
        const auto& in = list_.tensors[s.op.input];
        const auto& out = list_.tensors[s.op.output];
        unit.transformed = settings_.winograd && winograd_pays(s.op.window, in.shape.channels, out.shape.channels);
        if (unit.transformed) {
            const auto p = static_cast<std::ptrdiff_t>(s.op.window.padding);
            unit.pool = settings_.joins_pools() ? joined_pool(list_, i) : none;
            const bool pools = unit.pool != none;
            const auto& place = pools ? list_.tensors[list_.steps[unit.pool].op.output] : out;
            using enum winograd::pool_side;
            unit.forward = plan_winograd(p, in, place, out.shape, lanes, tile_sums<V>, pools ? output : no_pool);
            unit.backward = plan_winograd(2 - p, place, in, in.shape, lanes, tile_sums<V>, pools ? input : no_pool);
            if (pools) joined_[unit.pool] = true;
            reserve_weights(unit.forward, used);
            reserve_weights(unit.backward, used);
            scratch_size_ = std::max({scratch_size_, unit.forward.scratch(lanes), unit.backward.scratch(lanes)});
        } else {
            unit.direct = plan_convolution(s.op.window, in, out, lanes, tile_sums<V>);
            reserve_weights(unit.direct, used);
        }
    }
    void place_tensors() {
        const auto& steps = list_.steps;
        const std::size_t count = list_.tensors.size();
        value_offset_.assign(count, 0);
        gradient_offset_.assign(count, 0);
        depends_on_weights_.assign(count, false);
        const auto room = [&](std::size_t t) {
            const std::size_t at = storage_size_;
            storage_size_ += list_.tensors[t].size() * lanes;
            return at;
        };
        for (std::size_t i = 0; i < steps.size(); ++i) {
            const auto& s = steps[i];
            const std::size_t other = s.op.kind == operation_kind::convolution ? s.addend : s.op.second;
            depends_on_weights_[s.op.output] = s.op.weight != none || s.op.parameters > 0 || depends_on_weights_[s.op.input] ||
                                               (other != none && depends_on_weights_[other]);
            auto& unit = units_[i];
            if (unit.pool != none)
                unit.winner = room(steps[unit.pool].op.output);
            else if (s.op.output != list_.output)
                value_offset_[s.op.output] = room(s.op.output);
            if (s.op.kind == operation_kind::custom)
                scratch_size_ = std::max(scratch_size_, list_.tensors[s.op.input].size() * lanes);
        }
        std::vector<std::pair<std::size_t, std::size_t>>
            idle;  // gradient places whose tensor is done, with a tensor of that layout
        std::vector<bool> placed(count, false);
        for (std::size_t i = steps.size(); i-- > 0;) {
            if (joined_[i]) continue;
            const auto& s = steps[i];
            for (const std::size_t t : {s.op.kind == operation_kind::convolution ? s.addend : s.op.second, s.op.input}) {
                if (t == none || t == 0 || placed[t]) continue;
                placed[t] = true;
                const auto same = std::find_if(
                    idle.begin(), idle.end(), [&](const auto& place) { return list_.tensors[place.second] == list_.tensors[t]; });
                if (same != idle.end()) {
                    gradient_offset_[t] = same->first;
                    idle.erase(same);
                } else {
                    gradient_offset_[t] = room(t);
                }
            }
            if (const std::size_t t = result(i); t != list_.output) idle.emplace_back(gradient_offset_[t], t);
        }
    }
    /// Which gradients may stand in place of their tensor's value during a backward pass after which nobody asks for values: that of
    /// a tensor with one reader, whose backward pass handles each value before it writes there, and a producer that needs no output.
    void find_replaced_values() {
        using enum operation_kind;
        std::vector<std::size_t> readers(list_.tensors.size());
        replaces_value_.assign(list_.tensors.size(), false);
        for (const auto& s : list_.steps) {
            for (const std::size_t t : {s.op.input, s.op.second, s.addend})
                if (t != none) ++readers[t];
            replaces_value_[s.op.output] = s.op.kind == convolution || s.op.kind == scale_shift || s.op.kind == batch_norm ||
                                           s.op.kind == average_pool || s.op.kind == add || s.op.kind == flatten;
        }
        for (std::size_t i = 0; i < list_.steps.size(); ++i)
            replaces_value_[result(i)] = replaces_value_[result(i)] || units_[i].pool != none;
        for (const auto& s : list_.steps) {
            const bool in_place = s.op.kind == convolution || s.op.kind == scale_shift || s.op.kind == batch_norm ||
                                  s.op.kind == add || s.op.kind == flatten || (s.op.kind == max_pool && disjoint(s.op.window));
            if (!in_place) replaces_value_[s.op.input] = false;
        }
        for (std::size_t t = 0; t < readers.size(); ++t) replaces_value_[t] = replaces_value_[t] && readers[t] == 1;
    }
    void pack_step(std::size_t i, std::span<const T> parameters, std::span<const T> buffers) {
        const auto& s = list_.steps[i];
        const auto parameter = [&](std::size_t index) {
            return index == none ? nullptr : parameters.data() + parameters_[index].offset;
        };
        const auto buffer = [&](std::size_t index) { return buffers.data() + buffers_[index].offset; };
        const std::size_t channels = list_.tensors[s.op.output].shape.channels;
        std::vector<T> scale(channels, T(1)), shift(channels, T(0));
        const auto norm = [&](const operation& op) {
            for (std::size_t c = 0; c < channels; ++c) {
                const double inverse =
                    parameter(op.weight)[c] / std::sqrt(static_cast<double>(buffer(op.buffer + 1)[c]) + op.epsilon);
                scale[c] = static_cast<T>(inverse);
                shift[c] = static_cast<T>(parameter(op.bias)[c] - buffer(op.buffer)[c] * inverse);
            }
        };
        if (s.op.kind == operation_kind::convolution) {
            if (s.folded) norm(s.norm);
            if (const T* bias = parameter(s.op.bias))
                for (std::size_t c = 0; c < channels; ++c) shift[c] += s.folded ? bias[c] * scale[c] : bias[c];
            pack_unit(units_[i], parameter(s.op.weight), s.folded ? scale.data() : nullptr, shift.data());
        } else if (s.op.kind == operation_kind::scale_shift || (s.op.kind == operation_kind::batch_norm && !settings_.training)) {
            if (s.op.kind == operation_kind::batch_norm)
                norm(s.op);
            else
                for (std::size_t c = 0; c < channels; ++c) {
                    scale[c] = T(1) / buffer(s.op.buffer + 1)[c];
                    shift[c] = -buffer(s.op.buffer)[c] * scale[c];
                }
            std::copy(scale.begin(), scale.end(), packed_.begin() + constants_[i]);
            std::copy(shift.begin(), shift.end(), packed_.begin() + constants_[i] + channels);
        }
    }
    void pack_unit(const convolution_unit& unit, const T* weight, const T* scale, const T* bias) {
        if (!unit.transformed) return pack_convolution(unit.direct, weight, scale, bias, packed_.data());
        const std::size_t inputs = unit.forward.inputs;
        const auto at = [&](std::size_t o, std::size_t c, std::size_t k) {
            return scale ? weight[(o * inputs + c) * 9 + k] * scale[o] : weight[(o * inputs + c) * 9 + k];
        };
        pack_winograd(unit.forward, packed_.data(), at);
        std::copy_n(bias, unit.forward.outputs, packed_.data() + unit.forward.bias);
        pack_winograd(unit.backward, packed_.data(),
                      [&](std::size_t c, std::size_t o, std::size_t k) { return at(o, c, 8 - k); });
    }
    [[nodiscard]] static std::span<const T* const> custom_parameters(const operation& op, const block_memory<T>& m) {
        return {m.parameters + op.first_parameter, op.parameters};
    }

    step_list list_;
    std::vector<parameter_info> parameters_;
    std::vector<buffer_info> buffers_;
    std::size_t parameter_count_, buffer_count_;
    program_settings settings_;
    std::vector<convolution_unit> units_;
    std::vector<bool> joined_;  ///< pools that the convolution before them does
    std::vector<std::size_t> constants_, value_offset_, gradient_offset_;
    std::vector<bool> depends_on_weights_, replaces_value_;
    std::size_t storage_size_ = 0, scratch_size_ = 0;
    lane_vector<T> packed_, values_;
};

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE

#include "saddle/backend/cpu/machine_run.hpp"
