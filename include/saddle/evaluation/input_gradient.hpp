#pragma once
#include "saddle/attacks/plain_session.hpp"
#include "saddle/core/worker_pool.hpp"
#include "saddle/evaluation/format.hpp"
#include "saddle/evaluation/report.hpp"
#include "saddle/losses/cross_entropy.hpp"

#include <memory>

namespace saddle {

/// Gradient of each image's loss against its label in the image itself, [N,C,H,W]; NaN or infinite where the model's gradient is.
///
/// Images lie in [0,1]. Throws shape_error or data_error for images and labels that do not fit the model.
template <class M, class T, class Loss = cross_entropy>
[[nodiscard]] basic_images<T> input_gradients(const M& model, const basic_images<T>& x, const labels& y, worker_pool& pool,
                                              const Loss& loss = {}) {
    static_assert(DifferentiableModel<M>,
                  "saddle: an input gradient needs a model with one: give it input_gradient() (docs/models.md)");
    return with_program(model, [&](const auto& program) {
        using session = std::remove_cvref_t<decltype(program.make_session())>;
        using V = typename session::vector;
        constexpr std::size_t lanes = lane_values<V>::size;
        require_fitting_images(program, x, "input_gradients");
        require_valid_images(x, "input_gradients");
        require_valid_labels(y, x.size(), program.classes(), "input_gradients");
        loss.validate("input_gradients");
        struct worker_state {
            session network;
            lane_vector<T> x, gradient, logits, slopes, label;
        };
        const std::size_t elements = x.each().size() * lanes, outputs = program.classes() * lanes;
        std::vector<std::unique_ptr<worker_state>> workers(pool.size());
        basic_images<T> result(x.size(), x.each());
        pool.for_each((x.size() + lanes - 1) / lanes, [&](std::size_t index, std::size_t worker) {
            auto& state = workers[worker];
            if (!state)
                state.reset(new worker_state{program.make_session(), lane_vector<T>(elements), lane_vector<T>(elements),
                                             lane_vector<T>(outputs), lane_vector<T>(outputs), lane_vector<T>(lanes)});
            const std::size_t first = index * lanes, count = std::min(lanes, x.size() - first);
            load_block(x, first, count, lanes, state->x.data());
            for (std::size_t l = 0; l < lanes; ++l) state->label[l] = static_cast<T>(y[first + std::min(l, count - 1)]);
            state->network.forward(state->x.data(), state->logits.data());
            (void)loss.template evaluate<V>(loss_input<T>{state->logits.data(), program.classes(), lanes, state->label.data()},
                                            state->slopes.data());
            last_backward(state->network, state->slopes.data(), state->gradient.data());
            store_block(state->gradient.data(), lanes, result, first, count);
        });
        return result;
    });
}

/// Input gradients of several models on the same images.
struct model_gradients {
    std::string model;
    const images& gradients;
};

/// A grid of the given examples: the image, then each model's input gradient. Throws shape_error when sizes differ.
[[nodiscard]] inline picture_grid gradient_grid(std::string title, const images& x, const labels& y,
                                                const std::vector<model_gradients>& models,
                                                const std::vector<std::size_t>& examples,
                                                const std::vector<std::string>& class_names = {}) {
    picture_grid grid{std::move(title), "Gradient of the loss in the image, ± three standard deviations.", {"image"}, {}};
    for (const auto& m : models) {
        require<shape_error>(m.gradients.size() == x.size() && m.gradients.each() == x.each(), "gradient_grid",
                             "gradients of '" + m.model + "'", text(x.size(), " of ", x.each()),
                             text(m.gradients.size(), " of ", m.gradients.each()));
        grid.columns.push_back(m.model);
    }
    for (const auto i : examples) {
        require<shape_error>(i < x.size() && i < y.size(), "gradient_grid", "example",
                             text("less than ", std::min(x.size(), y.size())), i);
        const auto cell = [&](value_kind kind, std::span<const float> values, std::string caption) {
            return grid_cell{kind, x.each(), {values.begin(), values.end()}, std::move(caption), false};
        };
        const auto label = static_cast<std::size_t>(y[i]);
        std::vector<grid_cell> row{cell(value_kind::intensity, x[i],
                                        y[i] >= 0 && label < class_names.size() ? class_names[label] : std::to_string(y[i]))};
        for (const auto& m : models) {
            double squares = 0;
            for (const float g : m.gradients[i]) squares += static_cast<double>(g) * static_cast<double>(g);
            row.push_back(cell(value_kind::gradient, m.gradients[i], "‖g‖₂ " + short_text(std::sqrt(squares))));
        }
        grid.rows.push_back(std::move(row));
    }
    return grid;
}

}  // namespace saddle
