#pragma once
#include "saddle/attacks/plain_session.hpp"
#include "saddle/attacks/run_settings.hpp"
#include "saddle/core/worker_pool.hpp"
#include "saddle/losses/loss_input.hpp"

#include <memory>

namespace saddle {

/// What a model says about N images.
template <class T>
struct predictions {
    labels classes;              ///< the largest logit's class, the lower one of equals; -1 where logits are NaN or infinite
    std::vector<T> logits;       ///< [N][K]
    std::size_t not_finite = 0;  ///< images with prediction -1

    /// Share of images whose prediction is their label, in [0,1]. Throws shape_error unless there is one label per image.
    [[nodiscard]] double accuracy(const labels& y) const {
        require<shape_error>(y.size() == classes.size(), "predictions::accuracy", "number of labels", classes.size(), y.size());
        std::size_t right = 0;
        for (std::size_t i = 0; i < y.size(); ++i) right += classes[i] == y[i];
        return y.empty() ? 0 : static_cast<double>(right) / static_cast<double>(y.size());
    }
};

namespace detail {

template <class P, class T>
predictions<T> run_prediction(const P& program, const basic_images<T>& x, worker_pool& pool, const run_settings& settings) {
    using session = std::remove_cvref_t<decltype(program.make_session())>;
    using V = typename session::vector;
    constexpr std::size_t lanes = lane_values<V>::size;
    require_fitting_images(program, x, "predict");
    require_valid_images(x, "predict");

    const std::size_t count = x.size(), elements = x.each().size(), classes = program.classes();
    predictions<T> result;
    result.classes.resize(count);
    result.logits.resize(count * classes);
    if constexpr (requires { program.logits(x, std::span<T>(result.logits)); }) {
        check_stop(settings, "predict");
        program.logits(x, std::span<T>(result.logits));
        for (std::size_t i = 0; i < count; ++i) {
            const auto top = find_top<T>(result.logits.data() + i * classes, classes, 1);
            result.classes[i] = top.valid ? static_cast<std::int32_t>(top.index) : -1;
            result.not_finite += result.classes[i] < 0;
        }
        return result;
    }
    struct worker_state {
        session network;
        lane_vector<T> x, logits;
    };
    std::vector<std::unique_ptr<worker_state>> workers(pool.size());
    pool.for_each((count + lanes - 1) / lanes, [&](std::size_t index, std::size_t worker) {
        check_stop(settings, "predict");
        auto& state = workers[worker];
        if (!state)
            state.reset(
                new worker_state{program.make_session(), lane_vector<T>(elements * lanes), lane_vector<T>(classes * lanes)});
        const std::size_t first = index * lanes, valid = std::min(lanes, count - first);
        load_block(x, first, valid, lanes, state->x.data());
        if constexpr (RandomizedSession<session>) {
            std::uint64_t ids[lanes], draws[lanes];
            for (std::size_t l = 0; l < lanes; ++l) {
                const std::size_t i = std::min(first + l, count - 1);
                ids[l] = settings.ids.empty() ? i : settings.ids[i];
                draws[l] = (std::uint64_t{1} << 32) + settings.draw;  // none that an attack has seen
            }
            state->network.redraw(ids, draws);
        }
        state->network.forward(state->x.data(), state->logits.data());
        const auto top = find_top<V>(state->logits.data(), classes, lanes);
        alignas(lane_alignment) T found[lanes];
        lane_values<V>::store(found, choose(top.valid, top.index, V(-1)));
        for (std::size_t l = 0; l < valid; ++l) {
            result.classes[first + l] = static_cast<std::int32_t>(found[l]);
            for (std::size_t k = 0; k < classes; ++k) result.logits[(first + l) * classes + k] = state->logits[k * lanes + l];
        }
    });
    for (const auto c : result.classes) result.not_finite += c < 0;
    return result;
}

}  // namespace detail

/// Logits and classes of every image of `x` [N,C,H,W] in [0,1], the same bits for any number of threads, batch size and order.
///
/// `model` is a program, a model or a user's own class. Throws shape_error or data_error for images that do not fit,
/// `interrupted` when settings.stop becomes true.
template <class M, class T>
predictions<T> predict(const M& model, const basic_images<T>& x, worker_pool& pool, const run_settings& settings = {}) {
    constexpr bool is_model = Model<M>, same_scalar = !is_model || detail::has_scalar<M, T>;
    static_assert(is_model, "saddle: this type is not a model: it has neither make_session() nor logits() (docs/models.md)");
    static_assert(same_scalar,
                  "saddle: the images and the model differ in value_type: use the same of float and double for both");
    if constexpr (is_model && same_scalar)
        return with_program(model, [&](const auto& program) { return detail::run_prediction(program, x, pool, settings); });
}

/// The same with a pool of its own, of settings.threads threads.
template <class M, class T>
predictions<T> predict(const M& model, const basic_images<T>& x, const run_settings& settings = {}) {
    worker_pool pool(settings.threads);
    return predict(model, x, pool, settings);
}

}  // namespace saddle
