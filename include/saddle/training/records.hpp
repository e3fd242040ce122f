#pragma once
#include "saddle/training/schedules.hpp"

#include <cstdint>
#include <string>
#include <utility>
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

/// A number that an objective reports of an epoch beside loss and accuracy (soft: the share of verified examples).
struct measure {
    std::string name;
    double value = 0;
};

/// One finished epoch: means over its examples, the learning rate of its last step, the time of its steps and of
/// what the objective did before them.
struct epoch_record {
    std::size_t epoch = 0, epochs = 0, examples = 0;
    double loss = 0, accuracy = 0, learning_rate = 0, seconds = 0;
    std::vector<measure> measures{};  ///< in the objective's order, the same in every epoch

    [[nodiscard]] double examples_per_second() const { return seconds > 0 ? static_cast<double>(examples) / seconds : 0; }
};

/// What an observer's step_end or epoch_end may return: go on, or end the training after this step (early stopping).
enum class training_action { go_on, stop };

/// Why observers are asked to save.
enum class save_reason { step, epoch, end, interruption };

/// Records as columns, one row per epoch or per step. `fields` makes it part of checkpoints.
struct training_history {
    std::vector<double> loss, accuracy, learning_rate, seconds;
    std::vector<double> measures;             ///< [row][measure], where the objective reports any
    std::vector<std::uint8_t> measure_names;  ///< as text, each with a newline after it

    [[nodiscard]] std::size_t size() const { return loss.size(); }
    template <class Record>
    void add(const Record& r) {
        loss.push_back(r.loss);
        accuracy.push_back(r.accuracy);
        learning_rate.push_back(r.learning_rate);
        seconds.push_back(r.seconds);
        if constexpr (requires { r.measures; }) {
            measure_names.clear();
            for (const auto& m : r.measures) {
                measures.push_back(m.value);
                measure_names.insert(measure_names.end(), m.name.begin(), m.name.end());
                measure_names.push_back('\n');
            }
        }
    }
    /// One measure, a value per row. Throws invalid_argument when the objective reports none of that name.
    [[nodiscard]] std::vector<double> measure_column(std::string_view name) const {
        std::vector<std::string> names;
        std::string list, next;
        for (const auto c : measure_names) {
            if (c != '\n') {
                next += static_cast<char>(c);
                continue;
            }
            list += (names.empty() ? "" : ", ") + next;
            names.push_back(std::exchange(next, {}));
        }
        const auto at = static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
        require(at < names.size(), "training_history", "measure", names.empty() ? "none: the objective reports none" : list,
                name);
        std::vector<double> column;
        for (std::size_t row = at; row < measures.size(); row += names.size()) column.push_back(measures[row]);
        return column;
    }
    template <class Archive>
    void fields(Archive&& archive) {
        archive("loss", loss);
        archive("accuracy", accuracy);
        archive("learning_rate", learning_rate);
        archive("seconds", seconds);
        archive("measures", measures);
        archive("measure_names", measure_names);
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
