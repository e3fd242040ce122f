#pragma once
#include "saddle/backend/cpu/machine.hpp"

#include <cassert>

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// The memory of one block at work, and the two passes over it. Movable; its program must outlive it.
template <class V>
class session {
public:
    using vector = V;
    using value_type = typename V::value_type;

    explicit session(const machine<V>& program)
        : machine_(&program), memory_(program.storage_size() + program.scratch_size() + V::size),
          parameters_(program.parameter_places()) {}

    /// Logits [K][lane] of the images x [C,H,W][lane]; both contiguous and aligned for lanes. x is read again by `backward`.
    void forward(const value_type* x, value_type* logits) {
        place_.storage = memory_.data();
        place_.scratch = memory_.data() + machine_->storage_size();
        place_.parameters = parameters_.data();
        place_.input = const_cast<value_type*>(x);
        place_.logits = logits;
        has_values_ = true;
        for (std::size_t i = 0; i < machine_->list().steps.size(); ++i) machine_->forward(i, place_);
    }
    /// Input gradient [C,H,W][lane] of Σ_k logits_gradient[k]·logits[k] at the last forward pass; assigned.
    void backward(const value_type* logits_gradient, value_type* input_gradient) { pull_back(logits_gradient, input_gradient); }
    /// The same where no other backward pass of this forward pass follows: gradients take the place of values, which touches less
    /// memory.
    void last_backward(const value_type* logits_gradient, value_type* input_gradient) {
        place_.overwrites_values = true;
        pull_back(logits_gradient, input_gradient);
        place_.overwrites_values = has_values_ = false;
    }

    /// Bytes of working memory.
    [[nodiscard]] std::size_t bytes() const { return memory_.size() * sizeof(value_type); }

private:
    void pull_back(const value_type* logits_gradient, value_type* input_gradient) {
        assert(has_values_ && "a backward pass follows a forward pass, and none follows last_backward");
        place_.logits_gradient = const_cast<value_type*>(logits_gradient);
        place_.input_gradient = input_gradient;
        for (std::size_t i = machine_->list().steps.size(); i-- > 0;) machine_->backward(i, place_);
    }

    const machine<V>* machine_;
    bool has_values_ = false;
    lane_vector<value_type> memory_;
    std::vector<const value_type*> parameters_;
    block_memory<value_type> place_{};
};

/// The immutable inference program: evaluation mode, batch norm folded, ReLU fused, weights packed, Winograd by layer shape.
template <class V>
class program {
public:
    using vector = V;
    using value_type = typename V::value_type;
    using session_type = session<V>;

    program(const plan& p, std::span<const value_type> parameters, std::span<const value_type> buffers,
            program_settings settings = {})
        : input_(p.input()), classes_(p.classes()), machine_(p, settings) {
        update(parameters, buffers);
    }

    [[nodiscard]] extents input() const { return input_; }
    [[nodiscard]] std::size_t classes() const { return classes_; }
    [[nodiscard]] session_type make_session() const { return session_type(machine_); }
    [[nodiscard]] const machine<V>& steps() const { return machine_; }
    /// Packs changed weights of the same plan. Throws shape_error when their number does not fit it.
    void update(std::span<const value_type> parameters, std::span<const value_type> buffers) {
        machine_.pack(parameters, buffers);
    }

private:
    extents input_;
    std::size_t classes_;
    machine<V> machine_;
};

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
