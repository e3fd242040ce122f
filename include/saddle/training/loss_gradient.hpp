#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/losses/loss_input.hpp"
#include "saddle/training/context.hpp"

namespace saddle {

/// Adds weight times the gradient of the mean loss at `x` (images of the batch's examples, in its order) against the batch's
/// labels.
///
/// Returns weight times the sum of the losses, summed in double in the order of the examples, and how many of `x` are classified
/// correctly.
template <class Model, class L>
objective_result add_loss_gradient(const training_context<Model>& context, const basic_images<typename Model::value_type>& x,
                                   const L& loss, double weight = 1) {
    using value_type = typename Model::value_type;
    using vector = typename training_context<Model>::program_type::vector;
    static_assert(Loss<L, value_type>, "saddle: this type is not a loss (docs/losses.md)");
    static_assert(!keeps_state<L>,
                  "saddle: this loss compares with a clean prediction; an objective needs one of a label, like cross_entropy");
    constexpr std::size_t lane_count = vector::size;
    const auto& batch = context.batch();
    const std::size_t classes = context.structure().classes();
    require(classes >= least_classes(loss, false), "objective", text("classes of the model for ", L::name),
            text("at least ", least_classes(loss, false)), classes);
    const auto factor = static_cast<value_type>(weight * context.scale());
    std::vector<double> losses(batch.size());
    std::vector<std::uint8_t> correct(batch.size());

    context.differentiate(x, [&](const value_type* logits, std::size_t first, std::size_t count, value_type* derivative) {
        alignas(lane_alignment) value_type label[lane_count], value[lane_count], best[lane_count];
        for (std::size_t l = 0; l < lane_count; ++l)
            label[l] = l < count ? static_cast<value_type>(batch.y[first + l]) : value_type(0);
        lane_values<vector>::store(
            value, loss.template evaluate<vector>(loss_input<value_type>{logits, classes, lane_count, label}, derivative));
        const auto top = find_top<vector>(logits, classes, lane_count);
        lane_values<vector>::store(best, choose(top.valid, top.index, vector(-1)));
        for (std::size_t k = 0; k < classes; ++k)
            for (std::size_t l = 0; l < lane_count; ++l) {
                auto& d = derivative[k * lane_count + l];
                d = l < count ? d * factor : value_type(0);
            }
        for (std::size_t l = 0; l < count; ++l) {
            losses[first + l] = static_cast<double>(value[l]);
            correct[first + l] = best[l] == label[l];
        }
    });

    objective_result result;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        result.loss += weight * losses[i];
        result.correct += correct[i];
    }
    return result;
}

}  // namespace saddle
