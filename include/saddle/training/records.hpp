#pragma once
#include "saddle/training/schedules.hpp"

#include <cstdint>
#include <vector>

namespace saddle {

/// One finished training step as observers see it.
struct step_record {
    schedule_position position;  ///< of this step
    std::size_t examples = 0;    ///< in its batch
    double loss = 0;             ///< mean over the batch, as the objective defines it
    double accuracy = 0;         ///< on the batch that the weights learnt from (adversarial where the objective is), in [0,1]
    double learning_rate = 0;
    double seconds = 0;

    [[nodiscard]] double examples_per_second() const { return seconds > 0 ? static_cast<double>(examples) / seconds : 0; }
};

/// One finished epoch: means over its examples, the learning rate of its last step, the time of its steps.
struct epoch_record {
    std::size_t epoch = 0, epochs = 0, examples = 0;
    double loss = 0, accuracy = 0, learning_rate = 0, seconds = 0;

    [[nodiscard]] double examples_per_second() const { return seconds > 0 ? static_cast<double>(examples) / seconds : 0; }
};

/// What an observer's step_end or epoch_end may return: go on, or end the training after this step (early stopping).
enum class training_action { go_on, stop };

/// Why observers are asked to save.
enum class save_reason { step, epoch, end, interruption };

/// Records as columns, one row per epoch or per step. `fields` makes it part of checkpoints.
struct training_history {
    std::vector<double> loss, accuracy, learning_rate, seconds;

    [[nodiscard]] std::size_t size() const { return loss.size(); }
    template <class Record>
    void add(const Record& r) {
        loss.push_back(r.loss);
        accuracy.push_back(r.accuracy);
        learning_rate.push_back(r.learning_rate);
        seconds.push_back(r.seconds);
    }
    template <class Archive>
    void fields(Archive&& archive) {
        archive("loss", loss);
        archive("accuracy", accuracy);
        archive("learning_rate", learning_rate);
        archive("seconds", seconds);
    }
};

/// What fit returns: one row per epoch, and whether an observer ended it early.
struct training_result {
    training_history epochs;
    bool stopped = false;
};

/// Observer that keeps every step and every epoch, across resumptions too.
struct history_recorder {
    training_history steps, epochs;

    void step_end(const step_record& r) { steps.add(r); }
    void epoch_end(const epoch_record& r) { epochs.add(r); }
    template <class Archive>
    void fields(Archive&& archive) {
        steps.fields([&](std::string_view name, auto& column) { archive("steps." + std::string(name), column); });
        epochs.fields([&](std::string_view name, auto& column) { archive("epochs." + std::string(name), column); });
    }
};

}  // namespace saddle
