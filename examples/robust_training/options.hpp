#pragma once
#include "saddle/core/error.hpp"
#include "saddle/data/load.hpp"

#include <charconv>
#include <getopt.h>
#include <iostream>
#include <optional>

/// What the main job can be told.
struct options {
    std::string data = "generated", network = "conv_small", output = "robust_training_report";
    double epsilon = .1, step_size = .01;
    std::size_t steps = 20, epochs = 10, batch_size = 128, seed = 0, threads = 0;
    std::size_t train = saddle::all_examples, test = saddle::all_examples;
    bool fresh = false;  ///< do not go on from checkpoints

    /// The epsilons of the attacks: a quarter to twice the one that was trained with.
    [[nodiscard]] std::vector<double> ladder() const {
        std::vector<double> all;
        for (const double factor : {.25, .5, .75, 1., 1.5, 2.}) all.push_back(std::min(1., factor * epsilon));
        return all;
    }
};

inline constexpr const char* usage =
    R"(robust_training: trains a classifier naturally and by Madry, attacks both with FGSM, BIM and PGD, writes a report

  --data DIR         MNIST, Fashion-MNIST, CIFAR-10 ... in DIR; "generated" (default) needs no files
  --network NAME     conv_small (default) or small_cnn
  --epsilon E        Linf radius of training and of the main attack, inputs in [0,1] (default .1)
  --step-size S      of PGD (default epsilon / 10)
  --steps N          of PGD (default 20)
  --epochs N         (default 10)      --batch N      (default 128)
  --train N --test N use the first N images only
  --seed N           (default 0)       --threads N    (default: all)
  --output DIR       (default robust_training_report); the same command goes on from the checkpoints there
  --fresh            train anew, whatever checkpoints there are (other options than before need this or another --output)
)";

namespace option_details {

template <class T>
T number(const char* name, const char* value) {
    T result{};
    const auto* end = value + std::char_traits<char>::length(value);
    const auto [stop, problem] = std::from_chars(value, end, result);
    saddle::require(problem == std::errc{} && stop == end, "robust_training", saddle::text("--", name),
                    std::is_integral_v<T> ? "a whole number >= 0" : "a number", value);
    return result;
}

}  // namespace option_details

/// The options of a command line; nothing when it only asked for help. Throws invalid_argument for an unknown or malformed one.
inline std::optional<options> read_options(int count, char** arguments) {
    static constexpr const char* names[] = {"data",   "network", "output", "epsilon", "step-size", "steps",
                                            "epochs", "batch",   "train",  "test",    "seed",      "threads"};
    std::vector<option> known{{"help", no_argument, nullptr, 'h'}, {"fresh", no_argument, nullptr, 'f'}};
    for (const char* name : names) known.push_back({name, required_argument, nullptr, 'o'});
    known.push_back({nullptr, 0, nullptr, 0});

    options o;
    std::optional<double> step_size;
    int which = 0;
    for (int found; (found = getopt_long(count, arguments, ":h", known.data(), &which)) != -1;) {
        if (found == 'h') {
            std::cout << usage;
            return std::nullopt;
        }
        if (found == 'f') {
            o.fresh = true;
            continue;
        }
        if (found == ':')
            throw saddle::invalid_argument(saddle::text("robust_training: ", arguments[optind - 1], " needs a value"));
        saddle::require(found == 'o', "robust_training", "option", "one of those that --help lists", arguments[optind - 1]);
        const std::string name = known[static_cast<std::size_t>(which)].name;
        const auto count_of = [&] { return option_details::number<std::size_t>(name.c_str(), optarg); };
        const auto real = [&] { return option_details::number<double>(name.c_str(), optarg); };
        if (name == "data")
            o.data = optarg;
        else if (name == "network")
            o.network = optarg;
        else if (name == "output")
            o.output = optarg;
        else if (name == "epsilon")
            o.epsilon = real();
        else if (name == "step-size")
            step_size = real();
        else if (name == "steps")
            o.steps = count_of();
        else if (name == "epochs")
            o.epochs = count_of();
        else if (name == "batch")
            o.batch_size = count_of();
        else if (name == "train")
            o.train = count_of();
        else if (name == "test")
            o.test = count_of();
        else if (name == "seed")
            o.seed = count_of();
        else
            o.threads = count_of();
    }
    saddle::require(optind == count, "robust_training", "argument", "options only, see --help",
                    optind < count ? arguments[optind] : "");
    saddle::require(o.epsilon > 0 && o.epsilon <= 1, "robust_training", "--epsilon", "a number in (0,1]", o.epsilon);
    saddle::require(o.steps > 0, "robust_training", "--steps", "at least 1", o.steps);
    saddle::require(o.epochs > 0, "robust_training", "--epochs", "at least 1", o.epochs);
    saddle::require(o.batch_size > 0, "robust_training", "--batch", "at least 1", o.batch_size);
    saddle::require(o.train > 0, "robust_training", "--train", "at least 1", o.train);
    saddle::require(o.test > 0, "robust_training", "--test", "at least 1", o.test);
    saddle::require(!step_size || *step_size > 0, "robust_training", "--step-size", "a number > 0", step_size.value_or(0));
    saddle::require(o.network == "conv_small" || o.network == "small_cnn", "robust_training", "--network",
                    "conv_small or small_cnn", o.network);
    o.step_size = step_size.value_or(o.epsilon / 10);
    return o;
}
