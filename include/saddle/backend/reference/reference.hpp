#pragma once
#include "saddle/backend/reference/trace.hpp"
#include "saddle/core/arena.hpp"
#include "saddle/core/lanes.hpp"
#include "saddle/core/worker_pool.hpp"
#include "saddle/nn/custom_layer.hpp"

namespace saddle::reference_backend {

/// Image `lane` of a block [C,H,W][lane] as a plain image, and back.
template <class T>
void from_lane(const T* block, std::size_t lanes, std::size_t lane, std::span<T> values) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = block[i * lanes + lane];
}
template <class T>
void to_lane(std::span<const T> values, std::size_t lanes, std::size_t lane, T* block) {
    for (std::size_t i = 0; i < values.size(); ++i) block[i * lanes + lane] = values[i];
}

/// Evaluates one block at a time; see program. The program must outlive it.
template <class T>
class session {
public:
    using value_type = T;
    using vector = saddle::lanes<T>;

    session(const plan& structure, std::span<const T> parameters, std::span<const T> buffers)
        : trace_(structure, parameters, buffers), input_(vector::size, structure.input()), classes_(structure.classes()) {}

    /// Logits [K][lane] of a block x [C,H,W][lane] in evaluation mode.
    void forward(const T* x, T* logits) {
        for (std::size_t lane = 0; lane < vector::size; ++lane) from_lane(x, vector::size, lane, input_[lane]);
        trace_.forward(input_);
        for (std::size_t lane = 0; lane < vector::size; ++lane)
            to_lane(trace_.logits().subspan(lane * classes_, classes_), vector::size, lane, logits);
    }
    /// Vector-Jacobian product at the last forward: assigns the gradient of the block.
    void backward(const T* logits_gradient, T* input_gradient) {
        std::vector<T> gradient(vector::size * classes_);
        for (std::size_t lane = 0; lane < vector::size; ++lane)
            from_lane(logits_gradient, vector::size, lane, std::span(gradient).subspan(lane * classes_, classes_));
        const auto dx = trace_.backward(gradient);
        for (std::size_t lane = 0; lane < vector::size; ++lane) to_lane(dx[lane], vector::size, lane, input_gradient);
    }

private:
    trace<T> trace_;
    basic_images<T> input_;
    std::size_t classes_;
};

/// A model's weights and structure, copied; shared by threads, each with a session of its own.
template <class T>
class program {
public:
    using value_type = T;
    using vector = saddle::lanes<T>;

    program(const plan& structure, std::span<const T> parameters, std::span<const T> buffers)
        : structure_(structure), parameters_(parameters.begin(), parameters.end()), buffers_(buffers.begin(), buffers.end()) {
        require_fitting(structure, parameters, buffers, "backend::reference: program");
    }

    [[nodiscard]] extents input() const { return structure_.input(); }
    [[nodiscard]] std::size_t classes() const { return structure_.classes(); }
    [[nodiscard]] session<T> make_session() const { return session<T>(structure_, parameters_, buffers_); }

private:
    plan structure_;
    std::vector<T> parameters_, buffers_;
};

/// Forward, loss and backward of a whole batch in training mode, on the calling thread alone.
template <class T>
class trainer_program {
public:
    using value_type = T;
    using vector = saddle::lanes<T>;

    trainer_program(const plan& structure, worker_pool&) : structure_(structure) {}

    /// Adds the gradient of the loss to `gradient` (flat) and moves the running statistics in `buffers` if the settings say so.
    ///
    /// `loss(logits [K][lane], first, count, logits_gradient [K][lane])` is called per block of consecutive images; lanes from
    /// count on are idle.
    /// Throws shape_error when a size does not fit.
    template <class Loss>
    void differentiate(std::span<const T> parameters, std::span<T> buffers, const basic_images<T>& x,
                       std::span<const std::uint64_t> ids, const training_settings& settings, Loss&& loss,
                       std::span<T> gradient) {
        trace<T> pass(structure_, parameters, buffers, settings, ids);
        pass.forward(x);
        const std::size_t classes = structure_.classes();
        std::vector<T> logits_gradient(x.size() * classes);
        lane_vector<T> block(classes * vector::size), block_gradient(classes * vector::size);
        for (std::size_t first = 0; first < x.size(); first += vector::size) {
            const std::size_t count = std::min(vector::size, x.size() - first);
            std::fill(block.begin(), block.end(), T(0));
            for (std::size_t lane = 0; lane < count; ++lane)
                to_lane(pass.logits().subspan((first + lane) * classes, classes), vector::size, lane, block.data());
            loss(static_cast<const T*>(block.data()), first, count, block_gradient.data());
            for (std::size_t lane = 0; lane < count; ++lane)
                from_lane<T>(block_gradient.data(), vector::size, lane,
                             std::span(logits_gradient).subspan((first + lane) * classes, classes));
        }
        require<shape_error>(gradient.size() == parameters.size(), "trainer_program", "size of the gradient", parameters.size(),
                             gradient.size());
        if (!gradient.empty()) pass.backward(logits_gradient, gradient);
        if (settings.update_statistics) pass.update_statistics(buffers);
    }

private:
    plan structure_;
};

}  // namespace saddle::reference_backend

namespace saddle::backend {

/// The plain backend on xtensor and BLAS: the oracle that others are tested against, and the fallback. Allocates as it goes.
struct reference {
    template <class T>
    using program = reference_backend::program<T>;
    template <class T>
    using trainer_program = reference_backend::trainer_program<T>;
    template <class T>
    using trace = reference_backend::trace<T>;

    template <class L, class In, class T>
        requires requires { custom_kernels_of<L, In, T>(); }
    static custom_operation custom_kernels() { return custom_kernels_of<L, In, T>(); }
};

}  // namespace saddle::backend
