#pragma once
#include "saddle/backend/cpu/convolution.hpp"
#include "saddle/backend/cpu/winograd.hpp"
#include "saddle/backend/steps.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

using fusion::gradient_action;
using fusion::step;

/// The operations and tensor layouts that a program runs. Tensor 0 is the input; input and output have no border.
using step_list = fusion::step_list<layout>;

namespace detail {

/// Builds a step_list whose tensors have the borders that convolutions reach.
class step_builder : public fusion::step_builder<layout> {
public:
    step_builder(const plan& p, bool training, bool fuse) : fusion::step_builder<layout>(p, training, fuse) {
        reserve();
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

/// Fuses a plan into steps. With `training`, batch norm and dropout stay; without `fuse`, every ReLU and batch norm is a step.
[[nodiscard]] inline step_list make_steps(const plan& p, bool training, bool fuse = true) {
    return detail::step_builder(p, training, fuse).take();
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
