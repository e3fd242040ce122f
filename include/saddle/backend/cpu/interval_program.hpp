#pragma once
#include "saddle/backend/cpu/machine.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// Where one thread takes a block of boxes: both programs' memory, and what is between them.
template <class T>
struct interval_place {
    block_memory<T> centre, radius;
    T* bounds = nullptr;
    T* derivative = nullptr;
    T* scratch = nullptr;  ///< six tensors, each of interval_program::widest values
};

/// A network for boxes: centres go through it with its weights W, radii with |W| and no biases. A monotone layer (activation,
/// max-pool) takes both ends, centre ∓ radius, to both ends. Throws invalid_argument, naming the layer, for one that is neither
/// linear nor monotone (group_norm, silu, a user's own). The plan must outlive it.
template <class V>
class interval_program {
public:
    using T = typename V::value_type;
    using block_place = interval_place<T>;

    explicit interval_program(const plan& p)
        : centre(checked(p), {.fuse = false}), radius(without_biases(p), {.fuse = false}), plan_(p) {
        for (const auto& t : list().tensors) widest = std::max(widest, t.shape.size() * V::size);
    }

    [[nodiscard]] const step_list& list() const { return centre.list(); }

    /// Packs weights for the centres and their magnitudes for the radii.
    void pack(std::span<const T> parameters, std::span<const T> buffers, worker_pool* pool) {
        centre.pack(parameters, buffers, pool);
        magnitudes_.assign(parameters.begin(), parameters.end());
        constants_.assign(buffers.begin(), buffers.end());
        for (auto& w : magnitudes_) w = std::abs(w);
        for (auto& v : constants_) v = std::abs(v);
        const auto clear = [](auto& values, const auto& info) { std::fill_n(values.begin() + info.offset, info.size, T(0)); };
        for (const auto& op : plan_.operations) {
            if (op.kind == operation_kind::batch_norm) clear(magnitudes_, plan_.parameters[op.bias]);
            if (op.kind == operation_kind::batch_norm || op.kind == operation_kind::scale_shift)
                clear(constants_, plan_.buffers[op.buffer]);
        }
        radius.pack(magnitudes_, constants_, pool);
    }

    /// Centre and radius of the registers of boxes.
    static void store_box(V lower, V upper, T* centre, T* radius) {
        ((upper + lower) * V(T(.5))).store_aligned(centre);
        ((upper - lower) * V(T(.5))).store_aligned(radius);
    }

    /// Runs step i forward.
    void forward(std::size_t i, const block_place& at) const {
        const auto& op = list().steps[i].op;
        if (!monotone(op)) {
            centre.forward(i, at.centre);
            return radius.forward(i, at.radius);
        }
        const block<T> lower = spare(at, 0, op.input), upper = spare(at, 1, op.input), lower_image = spare(at, 2, op.output),
                       upper_image = spare(at, 3, op.output);
        ends(op.input, at, lower, upper);
        apply(op, lower, lower_image);
        apply(op, upper, upper_image);
        for_each_register<V>(
            lower_image.shape,
            [](std::size_t, const T* l, const T* u, T* c, T* r) { store_box(V::load_aligned(l), V::load_aligned(u), c, r); },
            lower_image, upper_image, centre.value(op.output, at.centre), radius.value(op.output, at.radius));
    }
    /// Runs step i backward to its input.
    void backward(std::size_t i, const block_place& at) const {
        const auto& s = list().steps[i];
        const auto& op = s.op;
        if (!monotone(op)) {
            centre.backward(i, at.centre);
            return radius.backward(i, at.radius);
        }
        if (!centre.wants_gradient(op.input, at.centre)) return;
        const block<T> x = spare(at, 0, op.input), other_x = spare(at, 1, op.input), y = spare(at, 2, op.output),
                       dy = spare(at, 3, op.output), lower_dx = spare(at, 4, op.input), upper_dx = spare(at, 5, op.input);
        ends(op.input, at, x, other_x);
        const auto through = [&](block<T> from, T sign, block<T> dx) {
            apply(op, from, y);
            for_each_register<V>(
                y.shape,
                [&](std::size_t, const T* dc, const T* dr, T* to) {
                    (V(T(.5)) * multiply_add(V(sign), V::load_aligned(dr), V::load_aligned(dc))).store_aligned(to);
                },
                centre.gradient(op.output, at.centre), radius.gradient(op.output, at.radius), dy);
            apply_backward(op, from, y, dy, dx);
        };
        through(x, T(-1), lower_dx);
        through(other_x, T(1), upper_dx);
        for_each_register<V>(
            x.shape,
            [&](std::size_t, const T* l, const T* u, T* dc, T* dr) {
                const V low = V::load_aligned(l), high = V::load_aligned(u);
                leave<V>(s.input_action, dc, l, low + high);
                leave<V>(s.input_action, dr, l, high - low);
            },
            lower_dx, upper_dx, centre.gradient(op.input, at.centre), radius.gradient(op.input, at.radius));
    }

    machine<V> centre, radius;
    std::size_t widest = 0;  ///< values of the largest tensor of a block

private:
    static bool monotone(const operation& op) {
        using enum operation_kind;
        return op.kind == max_pool || (op.kind == activation && op.function != activation_function::silu);
    }
    static const plan& checked(const plan& p) {
        using enum operation_kind;
        for (const auto& op : p.operations) {
            const bool linear = op.kind == convolution || op.kind == scale_shift || op.kind == batch_norm || op.kind == dropout ||
                                op.kind == average_pool || op.kind == add || op.kind == flatten;
            require(linear || monotone(op), "interval training", text("layer '", op.name, "'"), "a linear or monotone layer",
                    op.kind == group_norm   ? "group_norm"
                    : op.kind == activation ? "silu"
                                            : "a layer of your own");
        }
        require(!p.operations.empty(), "interval training", "layers of the network", "at least 1", 0);
        return p;
    }
    static plan without_biases(plan p) {
        for (auto& op : p.operations)
            if (op.kind == operation_kind::convolution) op.bias = none;
        return p;
    }
    /// Lower and upper ends of a tensor's values in scratch, contiguous.
    void ends(std::size_t tensor, const block_place& at, const block<T>& lower, const block<T>& upper) const {
        for_each_register<V>(
            lower.shape,
            [](std::size_t, const T* c, const T* r, T* l, T* u) {
                (V::load_aligned(c) - V::load_aligned(r)).store_aligned(l);
                (V::load_aligned(c) + V::load_aligned(r)).store_aligned(u);
            },
            centre.value(tensor, at.centre), radius.value(tensor, at.radius), lower, upper);
    }
    static void apply(const operation& op, block<const T> x, block<T> y) {
        op.kind == operation_kind::max_pool ? max_pool_forward<V>(op.window, x, y) : activation_forward<V>(op, x, y);
    }
    static void apply_backward(const operation& op, block<const T> x, block<const T> y, block<const T> dy, block<T> dx) {
        op.kind == operation_kind::max_pool ? max_pool_backward<V>(op.window, x, y, dy, {}, dx)
                                            : activation_backward<V>(op, x, y, dy, {}, dx);
    }
    [[nodiscard]] block<T> spare(const block_place& at, std::size_t index, std::size_t tensor) const {
        return contiguous_block(at.scratch + index * widest, list().tensors[tensor].shape, V::size);
    }

    const plan& plan_;
    lane_vector<T> magnitudes_, constants_;
};

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
