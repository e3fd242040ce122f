#pragma once
#include "saddle/attacks/concepts.hpp"
#include "saddle/core/arena.hpp"
#include "saddle/core/array_lanes.hpp"
#include "saddle/core/image_blocks.hpp"

#include <array>
#include <mutex>

namespace saddle {

/// Lets a user's model stand where a program is expected: blocks are transposed to [N,C,H,W] and back.
///
/// The model is asked for one block of images at a time, by one thread at a time unless it has `static constexpr bool
/// concurrent = true`.
template <PlainModel M>
class plain_program {
public:
    using value_type = scalar_of<M>;
    using T = value_type;
    using vector = array_lanes<T, lane_number<16>>;

    /// Refers to `model`, which must outlive it.
    explicit plain_program(const M& model) : model_(&model), guard_(std::make_unique<std::mutex>()) {}

    [[nodiscard]] extents input() const { return model_->input(); }
    [[nodiscard]] std::size_t classes() const { return static_cast<std::size_t>(M::classes); }

    class session {
    public:
        using value_type = T;
        using vector = plain_program::vector;

        session(const M& model, std::mutex& guard)
            : model_(&model), guard_(&guard), x_(vector::size, model.input()),
              values_(vector::size * static_cast<std::size_t>(M::classes)) {
            if constexpr (DifferentiablePlainModel<M>) gradient_ = basic_images<T>(vector::size, model.input());
        }

        void forward(const T* x, T* logits) {
            store_block(x, vector::size, x_, 0, vector::size);
            call([&] {
                if constexpr (RandomizedPlainModel<M>)
                    model_->logits(x_, std::span<T>(values_), ids_, draws_);
                else
                    model_->logits(x_, std::span<T>(values_));
            });
            transpose(values_.data(), vector::size, classes, logits);
        }
        void backward(const T* slopes, T* gradient) requires DifferentiablePlainModel<M> {
            transpose(slopes, classes, vector::size, values_.data());
            call([&] {
                if constexpr (RandomizedPlainModel<M>)
                    model_->input_gradient(x_, std::span<const T>(values_), gradient_.values(), ids_, draws_);
                else
                    model_->input_gradient(x_, std::span<const T>(values_), gradient_.values());
            });
            load_block(gradient_, 0, vector::size, vector::size, gradient);
        }

        void redraw(const std::uint64_t* ids, const std::uint64_t* draws) requires RandomizedPlainModel<M> {
            std::copy_n(ids, vector::size, ids_.begin());
            std::copy_n(draws, vector::size, draws_.begin());
        }

    private:
        static constexpr std::size_t classes = static_cast<std::size_t>(M::classes);

        static void transpose(const T* from, std::size_t rows, std::size_t columns, T* to) {
            for (std::size_t r = 0; r < rows; ++r)
                for (std::size_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
        }
        template <class F>
        void call(F&& f) {
            if constexpr (requires { requires static_cast<bool>(M::concurrent); }) {
                f();
            } else {
                std::lock_guard lock(*guard_);
                f();
            }
        }

        const M* model_;
        std::mutex* guard_;
        basic_images<T> x_, gradient_;
        std::vector<T> values_;
        std::array<std::uint64_t, vector::size> ids_{}, draws_{};
    };

    [[nodiscard]] session make_session() const { return session(*model_, *guard_); }

private:
    const M* model_;
    std::unique_ptr<std::mutex> guard_;
};

/// Calls f(program) with the program of any model: itself, the prepared one, or a plain model's adaptor.
template <Model M, class F>
decltype(auto) with_program(const M& model, F&& f) {
    if constexpr (Program<M>) {
        return f(model);
    } else if constexpr (PreparableModel<M>) {
        const auto program = prepare(model);
        return f(program);
    } else {
        const plain_program<M> program(model);
        return f(program);
    }
}

/// Throws shape_error unless the images fit the model.
template <class P, class T>
void require_fitting_images(const P& program, const basic_images<T>& x, std::string_view where) {
    require<shape_error>(x.empty() || x.each() == program.input(), where, "extents of the images", program.input(), x.each());
}

}  // namespace saddle
