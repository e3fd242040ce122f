#pragma once
#include "saddle/backend/steps.hpp"

namespace saddle::cuda {

/// One tensor of a program: [C][H][W][lanes], without borders.
struct tensor {
    extents shape{};
    bool wide =
        false;  ///< float, whatever the precision stores: images, logits, and what is computed from images without weights
};

using step_list = fusion::step_list<tensor>;

namespace detail {

/// Builds a step_list whose tensors know what they store: convolutions write the precision's type, everything else the type it
/// reads.
class step_builder : public fusion::step_builder<tensor> {
public:
    step_builder(const plan& p, bool training) : fusion::step_builder<tensor>(p, training) {
        list_.tensors[0].wide = true;
        for (std::size_t i = 0; i < list_.steps.size(); ++i) i = assign(i);
        const auto last = std::find_if(list_.steps.begin(), list_.steps.end(),
                                       [&](const fusion::step& s) { return s.op.output == list_.output; });
        auto& logits = list_.tensors[list_.output];
        if (!logits.wide && last->op.kind == operation_kind::convolution && last->addend == none)
            logits.wide = true;
        else if (!logits.wide)
            list_.output = copy(list_.output, logits.shape), list_.tensors[list_.output].wide = true;
        schedule_gradients();
    }
    [[nodiscard]] step_list take() && { return std::move(list_); }

private:
    /// Decides what step i stores; a second input of another type is converted before it. Returns the step's place then.
    std::size_t assign(std::size_t i) {
        const auto kind = list_.steps[i].op.kind;
        const bool convolves = kind == operation_kind::convolution;
        const bool wide = !convolves && list_.tensors[list_.steps[i].op.input].wide;
        const std::size_t other = convolves ? list_.steps[i].addend : list_.steps[i].op.second;
        list_.tensors[list_.steps[i].op.output].wide = wide;
        if (other == none || list_.tensors[other].wide == wide) return i;
        const std::size_t made = add_tensor(list_.tensors[other].shape);
        list_.tensors[made].wide = wide;
        (convolves ? list_.steps[i].addend : list_.steps[i].op.second) = made;
        fusion::step s;
        s.op.kind = operation_kind::flatten;
        s.op.input = other;
        s.op.output = made;
        list_.steps.insert(list_.steps.begin() + static_cast<std::ptrdiff_t>(i), std::move(s));
        return i + 1;
    }
};

}  // namespace detail

/// Fuses a plan into steps; with `training`, batch norm and dropout stay.
[[nodiscard]] inline step_list make_steps(const plan& p, bool training) { return detail::step_builder(p, training).take(); }

}  // namespace saddle::cuda
