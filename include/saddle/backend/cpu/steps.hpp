#pragma once
#include "saddle/backend/cpu/convolution.hpp"
#include "saddle/backend/cpu/winograd.hpp"
#include "saddle/backend/steps.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

using fusion::gradient_action;
using fusion::step;

/// The operations and tensor layouts that a program runs. Tensor 0 is the input; input and output have no border.
using step_list = fusion::step_list<layout>;

/// The index of the 2×2 max pool that step i, a convolution in Winograd's form, can do as well, or none: the pool reads the whole of
/// what the convolution writes, nobody else does, and no window lies in two tiles.
[[nodiscard]] inline std::size_t joined_pool(const step_list& list, std::size_t i) {
    const auto& s = list.steps[i];
    const auto& out = list.tensors[s.op.output].shape;
    if (s.op.kind != operation_kind::convolution || s.addend != none || s.op.output == list.output || out.height % 2 != 0 ||
        out.width % 2 != 0 || !winograd_pays(s.op.window, list.tensors[s.op.input].shape.channels, out.channels))
        return none;
    const auto grid = choose_grid(out);
    for (const auto* runs : {&grid.rows, &grid.columns})
        for (const auto& run : *runs)
            if (run.edge % 2 != 0) return none;
    std::size_t pool = none;
    for (std::size_t k = 0; k < list.steps.size(); ++k) {
        const auto& reader = list.steps[k];
        if (reader.op.second == s.op.output || reader.addend == s.op.output) return none;
        if (reader.op.input != s.op.output) continue;
        const auto& w = reader.op.window;
        if (pool != none || reader.op.kind != operation_kind::max_pool || w.height != 2 || w.width != 2 || w.stride != 2 ||
            w.padding != 0 || reader.op.output == list.output)
            return none;
        pool = k;
    }
    return pool;
}

namespace detail {

/// Builds a step_list whose tensors have the borders that convolutions reach.
class step_builder : public fusion::step_builder<layout> {
public:
    step_builder(const plan& p, bool training, bool fuse, bool join_pools) : fusion::step_builder<layout>(p, training, fuse) {
        reserve();
        if (join_pools) reserve_joined();
        schedule_gradients();
    }
    [[nodiscard]] step_list take() && { return std::move(list_); }

private:
    /// Borders: what convolutions reach, the same for tensors that one epilogue reads together.
    void reserve() {
        auto& t = list_.tensors;
        for (const auto& s : list_.steps)
            if (s.op.kind == operation_kind::convolution) {
                reserve_borders(s.op.window, t[s.op.input], t[s.op.output]);
                if (winograd_pays(s.op.window, t[s.op.input].shape.channels, t[s.op.output].shape.channels)) {
                    const auto p = static_cast<std::ptrdiff_t>(s.op.window.padding);
                    reserve_winograd_border(p, t[s.op.input], t[s.op.output].shape);
                    reserve_winograd_border(2 - p, t[s.op.output], t[s.op.input].shape);
                }
            }
        for (bool changed = true; changed;) {
            changed = false;
            for (const auto& s : list_.steps)
                if (s.addend != none && !(t[s.addend] == t[s.op.output])) {
                    auto& a = t[s.addend];
                    auto& b = t[s.op.output];
                    a.before = b.before = std::max(a.before, b.before);
                    a.after = b.after = std::max(a.after, b.after);
                    changed = true;
                }
        }
        if (t[0].before + t[0].after > 0) insert_input_copy();
        if (t[list_.output].before + t[list_.output].after > 0) list_.output = copy(list_.output, t[list_.output].shape);
    }
    /// Borders of joined pools' outputs, whose gradients the convolution's backward pass reads in place of its output's.
    void reserve_joined() {
        auto& t = list_.tensors;
        for (std::size_t i = 0; i < list_.steps.size(); ++i) {
            const std::size_t pool = joined_pool(list_, i);
            if (pool == none) continue;
            const auto& op = list_.steps[i].op;
            layout halved{.shape = t[op.output].shape};
            reserve_winograd_border(2 - static_cast<std::ptrdiff_t>(op.window.padding), halved, t[op.input].shape);
            auto& out = t[list_.steps[pool].op.output];
            out.before = std::max(out.before, (halved.before + 1) / 2);
            out.after = std::max(out.after, (halved.after + 1) / 2);
        }
    }
    void insert_input_copy() {
        const layout bordered = list_.tensors[0];
        const std::size_t inner = add_tensor(bordered.shape);
        list_.tensors[inner] = bordered;
        list_.tensors[0] = layout{.shape = bordered.shape};
        for (auto& s : list_.steps) {
            if (s.op.input == 0) s.op.input = inner;
            if (s.op.second == 0) s.op.second = inner;
            if (s.addend == 0) s.addend = inner;
        }
        step s;
        s.op.kind = operation_kind::flatten;
        s.op.input = 0;
        s.op.output = inner;
        list_.steps.insert(list_.steps.begin(), std::move(s));
    }
};

}  // namespace detail

/// Fuses a plan into steps. With `training`, batch norm and dropout stay; without `fuse`, every ReLU and batch norm is a step. With
/// `join_pools` there is room for the convolutions of `joined_pool` to do their pools.
[[nodiscard]] inline step_list make_steps(const plan& p, bool training, bool fuse = true, bool join_pools = false) {
    return detail::step_builder(p, training, fuse, join_pools).take();
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
