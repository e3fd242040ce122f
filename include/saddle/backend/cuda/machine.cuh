#pragma once
#include "saddle/backend/cuda/context.cuh"
#include "saddle/backend/cuda/pointwise.cuh"
#include "saddle/backend/cuda/steps.cuh"
#include "saddle/backend/cuda/wgmma_weights.cuh"
#include "saddle/nn/activation_functions.hpp"

#include <type_traits>
#include <vector>

namespace saddle::cuda {

/// Lanes of a batch: what its images are rounded up to.
inline constexpr std::size_t lane_step = 64;
[[nodiscard]] constexpr std::size_t padded_lanes(std::size_t count) { return parts_of(count, lane_step) * lane_step; }

/// A user's elementwise layer, erased: launchers for the storage type (`wide`: float).
using custom_forward = void (*)(cudaStream_t, extents, std::size_t lanes, bool wide, const void* x, void* y);
using custom_backward = void (*)(cudaStream_t, extents, std::size_t lanes, bool wide, const void* x, const void* y,
                                 const void* dy, fusion::gradient_action, void* dx);

/// Memory of one batch at work: the tensors' storage and the caller's input, logits and their gradients, all on the device.
struct batch_memory {
    cudaStream_t stream = nullptr;
    std::byte* storage = nullptr;
    float *input = nullptr, *logits = nullptr, *logits_gradient = nullptr;
    float* input_gradient = nullptr;  ///< nullptr: not wanted
    std::size_t lanes = 0;
    tensor_maps* maps = nullptr;  ///< of this memory
};

/// Stores a gradient: what the backward pass to few channels does unless an attack's step takes its place.
template <class T>
struct store_few {
    gradient_place<T> to;
    __device__ void finish(std::size_t at, int, const four_lanes<float>& v) const { to.leave(at, v); }
    __device__ void finish_one(std::size_t at, int, float v) const { to.gradient[at] = v; }  ///< where `to` has no action
};

/// Steps, places of tensors, and packed weights on the device: what inference and training run on a batch of any number of lanes.
template <class Precision>
class machine {
public:
    using S = typename Precision::storage;
    static constexpr bool uniform = std::is_same_v<S, float>;  ///< every tensor stores floats
    static constexpr bool knows_wgmma = !std::is_same_v<Precision, fp32>;

    machine(const plan& p, bool training, const device_properties& device)
        : list_(make_steps(p, training)), parameters_(p.parameters), buffers_(p.buffers), parameter_count_(p.parameter_count),
          buffer_count_(p.buffer_count), multiprocessors_(static_cast<std::size_t>(device.multiprocessors)),
          shared_memory_(device.shared_memory), training_(training),
          wgmma_(tuning::wgmma_by_default && knows_wgmma && has_wgmma(device)) {
        const std::size_t count = list_.steps.size();
        units_.resize(count);
        constants_.assign(count, none);
        moments_.assign(count, none);
        second_.assign(count, none);
        absorbed_.assign(count, false);
        std::size_t packed = 0;
        for (std::size_t i = 0; i < count; ++i) plan_step(i, packed);
        if (!training) absorb_norms();
        place_tensors();
        values_.reserve(parameter_count_ + buffer_count_ + constant_count_ + 1);
        packed_.reserve(packed + 16);
        if (wgmma_) reserve_for_wgmma();
    }

    [[nodiscard]] const step_list& list() const { return list_; }
    [[nodiscard]] const convolution_pair& convolution(std::size_t i) const { return units_[i].pair; }
    /// Of the device: how many there are, and the bytes that one block may ask for.
    [[nodiscard]] std::size_t multiprocessors() const { return multiprocessors_; }
    [[nodiscard]] std::size_t shared_memory() const { return shared_memory_; }
    /// Packed weights of a convolution, where every tensor stores floats; its bias or the folded norm's, null without one.
    [[nodiscard]] const float* packed_weights(std::size_t i, bool backward) const {
        return packed<const float>(backward ? units_[i].backward : units_[i].forward);
    }
    /// True for a convolution from or to so few channels that it is computed in fp32 whatever the precision.
    [[nodiscard]] bool is_exact(std::size_t i, bool backward) const { return backward ? units_[i].to_few : units_[i].from_few; }
    [[nodiscard]] const float* bias_of(std::size_t i) const {
        return list_.steps[i].folded ? shift_of(i) : parameter(list_.steps[i].op.bias);
    }
    /// What a norm or scale multiplies its channels with, and adds then.
    [[nodiscard]] float* scale_of(std::size_t i) const {
        return values_.data() + parameter_count_ + buffer_count_ + constants_[i];
    }
    [[nodiscard]] float* shift_of(std::size_t i) const {
        return scale_of(i) + parts_of(list_.tensors[list_.steps[i].op.output].shape.channels, 64) * 64;
    }
    /// Whether convolutions and weight gradients that fit run by wgmma; the weights are to be packed again. Throws cuda_error where
    /// they cannot.
    void use_wgmma(bool on) {
        if (on && (!knows_wgmma || !has_wgmma(read_device())))
            throw cuda_error(
                "cuda: use_wgmma: only for bf16 and TF32, on a device of compute capability 9.0, compiled for sm_90a");
        if (on) reserve_for_wgmma();
        wgmma_ = on;
    }
    [[nodiscard]] bool uses_wgmma() const { return wgmma_; }
    /// The batch's tensor maps where use_wgmma is on, else null.
    [[nodiscard]] tensor_maps* wgmma_maps(const batch_memory& m) const { return wgmma_ ? m.maps : nullptr; }
    /// Bytes of storage per lane.
    [[nodiscard]] std::size_t storage_size() const { return storage_size_; }

    /// Uploads weights, in the stream's order; the spans must stay until it is synchronized. Throws shape_error when their number
    /// does not fit the plan.
    void upload(cudaStream_t stream, std::span<const float> parameters, std::span<const float> buffers) {
        require<shape_error>(parameters.size() == parameter_count_ && buffers.size() == buffer_count_, "program",
                             "numbers of parameters and buffers", text(parameter_count_, " and ", buffer_count_),
                             text(parameters.size(), " and ", buffers.size()));
        copy_values(stream, values_.data(), parameters.data(), parameters.size(), cudaMemcpyHostToDevice);
        copy_values(stream, all_buffers(), buffers.data(), buffers.size(), cudaMemcpyHostToDevice);
    }
    /// Takes over the weights of another machine of the same plan, on the device.
    void copy_weights(cudaStream_t stream, const machine& other) {
        copy_values(stream, values(), other.values(), value_count(), cudaMemcpyDeviceToDevice);
    }
    /// Packs the weights for the kernels.
    void pack(cudaStream_t stream) {
        for (std::size_t i = 0; i < list_.steps.size(); ++i) pack_step(stream, i);
    }

    /// Parameters, then buffers: all that training changes.
    [[nodiscard]] float* values() const { return values_.data(); }
    [[nodiscard]] std::size_t parameter_count() const { return parameter_count_; }
    [[nodiscard]] std::size_t value_count() const { return parameter_count_ + buffer_count_; }
    [[nodiscard]] const float* parameter(std::size_t index) const {
        return index == none ? nullptr : values_.data() + parameters_[index].offset;
    }
    [[nodiscard]] float* buffer(std::size_t index) const { return values_.data() + parameter_count_ + buffers_[index].offset; }
    [[nodiscard]] float* all_buffers() const { return values_.data() + parameter_count_; }

    template <class T>
    [[nodiscard]] T* value(std::size_t t, const batch_memory& m) const {
        return static_cast<T*>(t == 0              ? static_cast<void*>(m.input)
                               : t == list_.output ? static_cast<void*>(m.logits)
                                                   : static_cast<void*>(m.storage + value_offset_[t] * m.lanes));
    }
    template <class T>
    [[nodiscard]] T* gradient(std::size_t t, const batch_memory& m) const {
        return static_cast<T*>(t == 0              ? static_cast<void*>(m.input_gradient)
                               : t == list_.output ? static_cast<void*>(m.logits_gradient)
                                                   : static_cast<void*>(m.storage + gradient_offset_[t] * m.lanes));
    }
    template <class T>
    [[nodiscard]] gradient_place<T> place(std::size_t t, fusion::gradient_action action, const batch_memory& m) const {
        return {gradient<T>(t, m), value<T>(t, m), action};
    }
    /// Mean, then 1 / deviation of a group norm's groups, [groups][lanes] each.
    [[nodiscard]] float* moments(std::size_t i, const batch_memory& m) const {
        return reinterpret_cast<float*>(m.storage + moments_[i] * m.lanes);
    }
    /// Whether anyone wants the gradient of a tensor: the caller, or weights before it.
    [[nodiscard]] bool wants_gradient(std::size_t t, const batch_memory& m) const {
        return m.input_gradient || depends_on_weights_[t];
    }
    /// Calls f with a null pointer of the type that tensor t stores.
    template <class F>
    decltype(auto) typed(std::size_t t, F&& f) const {
        if constexpr (uniform)
            return f(static_cast<float*>(nullptr));
        else
            return list_.tensors[t].wide ? f(static_cast<float*>(nullptr)) : f(static_cast<S*>(nullptr));
    }

    void forward(std::size_t i, const batch_memory& m) const;
    /// Runs step i backward to its inputs; `finish` takes the images' gradient where fuses_input() says so.
    template <class Finish>
    void backward(std::size_t i, const batch_memory& m, const Finish* finish) const;
    void backward(std::size_t i, const batch_memory& m) const { backward<store_few<float>>(i, m, nullptr); }
    /// True when one convolution to few channels alone writes the images' gradient, so that an attack's step can take it at once.
    [[nodiscard]] bool fuses_input() const {
        std::size_t readers = 0;
        bool fits = false;
        for (std::size_t i = 0; i < list_.steps.size(); ++i) {
            const auto& s = list_.steps[i];
            readers += std::size_t{s.op.input == 0} + std::size_t{s.op.second == 0} + std::size_t{s.addend == 0};
            if (s.op.input == 0) fits = s.op.kind == operation_kind::convolution && units_[i].to_few;
        }
        return readers == 1 && fits;
    }

private:
    /// One convolution: shapes, where its packed weights stand (bytes), and which kernels run it.
    struct unit {
        convolution_pair pair;
        std::size_t forward = 0, backward = 0;
        bool from_few = false, to_few = false;               ///< plain kernels for the images' few channels
        bool exact_forward = false, exact_backward = false;  ///< the source stores floats although the precision does not
    };

    static std::size_t rounded(std::size_t bytes) { return parts_of(bytes, 256) * 256; }
    [[nodiscard]] std::size_t bytes_of(std::size_t t) const {
        return list_.tensors[t].shape.size() * (list_.tensors[t].wide ? sizeof(float) : sizeof(S));
    }

    void plan_step(std::size_t i, std::size_t& packed) {
        const auto& s = list_.steps[i];
        const std::size_t channels = list_.tensors[s.op.output].shape.channels;
        if (s.op.kind == operation_kind::scale_shift || (s.op.kind == operation_kind::batch_norm && !training_) || s.folded) {
            constants_[i] = constant_count_;
            constant_count_ += 2 * parts_of(channels, 64) * 64;
        }
        if (s.op.kind != operation_kind::convolution) return;
        const auto &in = list_.tensors[s.op.input], &out = list_.tensors[s.op.output];
        auto& u = units_[i];
        u.pair = convolution_pair(s.op.window, in.shape, out.shape);
        u.from_few = in.wide && u.pair.forward.inputs <= 3;
        u.to_few = u.pair.backward.outputs <= 3;
        u.exact_forward = !uniform && in.wide;
        u.exact_backward = !uniform && out.wide;
        u.forward = packed;
        packed += rounded(packed_size(u.pair.forward) * (u.from_few || u.exact_forward ? sizeof(float) : sizeof(S)));
        u.backward = packed;
        packed += rounded(packed_size(u.pair.backward) * (u.to_few || u.exact_backward ? sizeof(float) : sizeof(S)));
    }

    /// A norm that alone reads a convolution's sum before its ReLU is computed where the sum is stored.
    void absorb_norms() {
        for (std::size_t j = 0; j < list_.steps.size(); ++j) {
            const auto& norm = list_.steps[j];
            if (norm.op.kind != operation_kind::batch_norm && norm.op.kind != operation_kind::scale_shift) continue;
            if (list_.tensors[norm.op.input].wide != list_.tensors[norm.op.output].wide) continue;
            for (std::size_t i = 0; i < j; ++i)
                if (list_.steps[i].op.kind == operation_kind::convolution && list_.steps[i].op.output == norm.op.input &&
                    second_[i] == none) {
                    second_[i] = j;
                    absorbed_[j] = true;
                }
        }
    }

    void place_tensors() {
        const auto& steps = list_.steps;
        const std::size_t count = list_.tensors.size();
        value_offset_.assign(count, 0);
        gradient_offset_.assign(count, 0);
        depends_on_weights_.assign(count, false);
        const auto room = [&](std::size_t bytes) {
            const std::size_t at = storage_size_;
            storage_size_ += parts_of(bytes, 8) * 8;
            return at;
        };
        for (std::size_t i = 0; i < steps.size(); ++i) {
            const auto& s = steps[i];
            const std::size_t other = s.op.kind == operation_kind::convolution ? s.addend : s.op.second;
            depends_on_weights_[s.op.output] = s.op.weight != none || s.op.parameters > 0 || depends_on_weights_[s.op.input] ||
                                               (other != none && depends_on_weights_[other]);
            if (s.op.output != list_.output) value_offset_[s.op.output] = room(bytes_of(s.op.output));
            if (s.op.kind == operation_kind::group_norm) moments_[i] = room(2 * s.op.groups * sizeof(float));
        }
        std::vector<std::pair<std::size_t, std::size_t>> idle;  // gradient places whose tensor is done: offset and bytes
        std::vector<bool> placed(count, false);
        for (std::size_t i = steps.size(); i-- > 0;) {
            const auto& s = steps[i];
            for (const std::size_t t : {s.op.kind == operation_kind::convolution ? s.addend : s.op.second, s.op.input}) {
                if (t == none || t == 0 || placed[t]) continue;
                placed[t] = true;
                const auto same = std::find_if(idle.begin(), idle.end(), [&](const auto& p) { return p.second == bytes_of(t); });
                if (same != idle.end()) {
                    gradient_offset_[t] = same->first;
                    idle.erase(same);
                } else {
                    gradient_offset_[t] = room(bytes_of(t));
                }
            }
            if (s.op.output != list_.output) idle.emplace_back(gradient_offset_[s.op.output], bytes_of(s.op.output));
        }
    }

    template <class T>
    [[nodiscard]] T* packed(std::size_t offset) const {
        return reinterpret_cast<T*>(packed_.data() + offset);
    }
    [[nodiscard]] wgmma_operands<S> wgmma(std::size_t i, bool backward, const batch_memory& m) const {
        const auto* const plain = packed<const S>(backward ? units_[i].backward : units_[i].forward);
        return {wgmma_maps(m), wgmma_weights_.of(i, backward, plain)};
    }
    void reserve_for_wgmma() {
        wgmma_weights_.reserve(units_.size(), [&](std::size_t i) -> const convolution_pair& { return units_[i].pair; });
    }
    void pack_step(cudaStream_t stream, std::size_t i);

    step_list list_;
    std::vector<parameter_info> parameters_;
    std::vector<buffer_info> buffers_;
    std::size_t parameter_count_, buffer_count_, multiprocessors_, shared_memory_, constant_count_ = 0, storage_size_ = 0;
    bool training_, wgmma_;
    std::vector<unit> units_;
    std::vector<std::size_t> constants_, moments_, second_, value_offset_, gradient_offset_;
    std::vector<bool> absorbed_, depends_on_weights_;
    device_vector<float> values_;  ///< parameters, buffers, constants of norms
    device_vector<std::byte> packed_;
    wgmma_weights<Precision> wgmma_weights_;
};

}  // namespace saddle::cuda

#include "saddle/backend/cuda/machine_run.cuh"
