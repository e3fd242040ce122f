#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/losses/loss_input.hpp"
#include "saddle/training/context.hpp"

namespace saddle {

/// A loss against the batch's labels as what a training pass calls per block: fills weight times the derivative of the mean loss and
/// keeps each example's loss and whether it is classified correctly.
template <class Model, class L>
class block_losses {
public:
    using value_type = typename Model::value_type;
    using vector = typename training_context<Model>::program_type::vector;
    static constexpr bool on_device = evaluates_on_device<L>;
    static_assert(Loss<L, value_type>, "saddle: this type is not a loss (docs/losses.md)");
    static_assert(!keeps_state<L>,
                  "saddle: this loss compares with a clean prediction; an objective needs one of a label, like cross_entropy");

    block_losses(const training_context<Model>& context, const L& loss, double weight)
        : loss_(loss), y_(context.batch().y), classes_(context.structure().classes()), weight_(weight),
          factor_(static_cast<value_type>(weight * context.scale())), losses_(y_.size()), correct_(y_.size()) {
        require(classes_ >= least_classes(loss, false), "objective", text("classes of the model for ", L::name),
                text("at least ", least_classes(loss, false)), classes_);
    }

    void operator()(const value_type* logits, std::size_t first, std::size_t count, value_type* derivative) {
        constexpr std::size_t lane_count = vector::size;
        alignas(lane_alignment) value_type label[lane_count], value[lane_count], best[lane_count];
        for (std::size_t l = 0; l < lane_count; ++l)
            label[l] = l < count ? static_cast<value_type>(y_[first + l]) : value_type(0);
        lane_values<vector>::store(
            value, loss_.template evaluate<vector>(loss_input<value_type>{logits, classes_, lane_count, label}, derivative));
        const auto top = find_top<vector>(logits, classes_, lane_count);
        lane_values<vector>::store(best, choose(top.valid, top.index, vector(-1)));
        for (std::size_t k = 0; k < classes_; ++k)
            for (std::size_t l = 0; l < lane_count; ++l) {
                auto& d = derivative[k * lane_count + l];
                d = l < count ? d * factor_ : value_type(0);
            }
        for (std::size_t l = 0; l < count; ++l) {
            losses_[first + l] = static_cast<double>(value[l]);
            correct_[first + l] = best[l] == label[l];
        }
    }
    /// For a training program that evaluates the loss where the logits are: the loss, its labels, the factor of its derivative; and
    /// what came of it, example by example.
    [[nodiscard]] const L& loss() const { return loss_; }
    [[nodiscard]] const labels& truth() const { return y_; }
    [[nodiscard]] value_type factor() const { return factor_; }
    void take(const value_type* values, const std::uint8_t* correct) {
        std::copy_n(values, losses_.size(), losses_.begin());
        std::copy_n(correct, correct_.size(), correct_.begin());
    }
    /// Weight times the sum of the losses, summed in double in the order of the examples, and the number of correct ones.
    [[nodiscard]] objective_result result() const {
        objective_result sum;
        for (std::size_t i = 0; i < losses_.size(); ++i) {
            sum.loss += weight_ * losses_[i];
            sum.correct += correct_[i];
        }
        return sum;
    }

private:
    const L& loss_;
    const labels& y_;
    std::size_t classes_;
    double weight_;
    value_type factor_;
    std::vector<double> losses_;
    std::vector<std::uint8_t> correct_;
};

/// Adds weight times the gradient of the mean loss at `x` (images of the batch's examples, in its order) against the batch's
/// labels.
///
/// Returns weight times the sum of the losses, summed in double in the order of the examples, and how many of `x` are classified
/// correctly.
template <class Model, class L>
objective_result add_loss_gradient(const training_context<Model>& context, const basic_images<typename Model::value_type>& x,
                                   const L& loss, double weight = 1) {
    block_losses<Model, L> losses(context, loss, weight);
    context.differentiate(x, losses);
    return losses.result();
}

}  // namespace saddle
