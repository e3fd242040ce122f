#pragma once
#include "saddle/evaluation/report.hpp"

/// A small report made by hand: two models, two attacks, three epsilons; the names hold everything that needs quoting.
inline saddle::report sample_report() {
    using namespace saddle;
    report r;
    r.title = "Robustness of <two> \"models\" & 'more'";
    r.date = "2024-02-29";
    r.data_name = "digits, \"test\"";
    r.data_size = 10;
    r.classes = 10;
    r.image = {1, 4, 4};
    r.seed = 18446744073709551615ull;
    r.threads = 3;
    r.build = {{"compiler", "a compiler"}, {"optimized", true}};
    r.settings = {{"epochs", 12}, {"rate", .1}, {"note", "line\nbreak"}};
    for (const char* name : {"natural <&>", "Madry \"'\""}) {
        const bool robust = name[0] == 'M';
        r.models.push_back({name, "conv_small", "SGD", 89806, {9, 10}, 1.5, {{"alpha", .5}}});
        for (const char* attack : {"FGSM", "PGD, 2 steps"})
            for (const double epsilon : {.1, 8. / 255, .3}) {
                attack_row row;
                row.model = name, row.attack = attack, row.norm = "Linf", row.epsilon = epsilon;
                row.settings = {{"step_size", .025}, {"steps", 2}, {"random_start", false}, {"loss", "cross_entropy"}};
                row.clean = {9, 10};
                row.robust = {robust ? std::size_t{7} : std::size_t{2}, 10};
                row.successes = 9 - row.robust.correct;
                row.rejected = 1;
                row.distortion.linf = {epsilon, epsilon};
                row.loss = .25;
                row.accuracy_after_step = {.9, .5, row.robust.share()};
                row.survived = {1, 0, 1, 0, 0, 0, 0, 0, 0, 0};
                row.gradient_calls = 20, row.forward_calls = 40, row.seconds = .5;
                r.rows.push_back(row);
            }
    }
    r.comparisons.push_back({"natural <&>", "Madry \"'\"", "PGD", 2, 0, 5, 3, .0625});
    r.charts.push_back({"Loss", "", "epoch", "loss", {{"training", {1, 2, 3}, {2, not_measured, 1}, {}, {}, -1, 0}}, false});
    r.pictures.push_back({"PGD",
                          "",
                          {"original", "gradient"},
                          {{{value_kind::intensity, {1, 4, 4}, std::vector<float>(16, .5f), "3", false},
                            {value_kind::gradient, {3, 2, 2}, std::vector<float>(12, -1.f), "<5>", true}}}});
    r.notes.push_back("1 result was <rejected>");
    return r;
}
