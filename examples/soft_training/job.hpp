#pragma once
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/data/load.hpp"
#include "saddle/evaluation/report.hpp"
#include "saddle/nn/model.hpp"

/// What the job can be told.
struct options {
    std::string data = "generated", output = "soft_training_report";
    double epsilon = .1, step_size = .01;
    std::size_t steps = 20, epochs = 10, start_epochs = 5, recertify = 0, seeds = 3, batch = 128, threads = 0;
    std::size_t train = saddle::all_examples, test = saddle::all_examples, certify = 500;
};

inline constexpr const char* usage =
    R"(soft_training: natural, adversarial and soft adversarial training of conv_small from one naturally trained start, several times

  --data DIR         MNIST, Fashion-MNIST, ... in DIR, 1x28x28; "generated" (default) needs no files
  --epsilon E        Linf radius of certification, training and the attack on test images (default .1)
  --steps N          of PGD (default 20)         --step-size S  of PGD (default .01)
  --start-epochs N   of natural training that the three start from (default 5)
  --epochs N         of each of the three (default 10; the paper: 50)
  --recertify N      epochs from one certification of the training set to the next (default 0: once)
  --seeds N          trainings, with seeds 0 .. N-1 (default 3)
  --train N --test N use the first N images only
  --certify N        of the test images, after every epoch (default 500)
  --batch N          (default 128)               --threads N    (default: all)
  --output DIR       (default soft_training_report); the same command goes on from the checkpoints there
)";

/// Reads `--name value` pairs. Throws invalid_argument for what is unknown or no number.
options read_options(int count, char** arguments);

/// The three trainings compared.
inline constexpr const char* kinds[] = {"natural", "adversarial", "soft"};

/// One training, a value per epoch, on the test images: accuracies, share that DeepPoly verifies; and the time of each epoch's steps.
struct training_curve {
    std::vector<double> natural, adversarial, verified, seconds;
    std::vector<double> kept;  ///< soft: the share of training images left alone

    template <class Archive>
    void fields(Archive&& archive) {
        archive("natural", natural);
        archive("adversarial", adversarial);
        archive("verified", verified);
        archive("seconds", seconds);
        archive("kept", kept);
    }
};

/// Trains from scratch naturally, then goes on in each of the three ways; resumes from checkpoints in the output folder. train.cpp
std::vector<training_curve> train(const options& o, const saddle::split_dataset& data, std::size_t seed);

/// Mean and spread over seeds of what `value` reads of a curve, e.g. "98.91 ± 0.04 %". report.cpp
std::string mean_text(const std::vector<std::vector<training_curve>>& seeds, std::size_t kind,
                      double (*value)(const training_curve&));

/// One page with the curves' means over seeds and their ranges. report.cpp
void write_page(const options& o, const std::string& data, const std::vector<std::vector<training_curve>>& seeds,
                const std::string& path);
