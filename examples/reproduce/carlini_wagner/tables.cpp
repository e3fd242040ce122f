#include "job.hpp"
#include "saddle/attacks/all_targets.hpp"
#include "saddle/attacks/bim.hpp"
#include "saddle/attacks/carlini_wagner_l0.hpp"
#include "saddle/attacks/carlini_wagner_l2.hpp"
#include "saddle/attacks/carlini_wagner_linf.hpp"
#include "saddle/attacks/deepfool.hpp"
#include "saddle/attacks/fgsm.hpp"
#include "saddle/attacks/jsma.hpp"

#include <iomanip>
#include <iostream>

using namespace saddle;

namespace {

/// Mean distance and success rate, as the paper prints them.
struct figure {
    double mean = 0, probability = 0;
};
struct row {
    figure best, average, worst;
};

std::string written(const figure& f) {
    std::ostringstream out;
    if (f.probability > 0)
        out << std::setprecision(3) << f.mean << ' ' << std::lround(100 * f.probability) << '%';
    else
        out << "- 0%";
    return out.str();
}
void print(const std::string& name, const row& ours, const row& paper) {
    const auto column = [](const figure& a, const figure& b) {
        std::cout << std::setw(12) << written(a) << " | " << std::setw(12) << (b.mean > 0 || b.probability > 0 ? written(b) : "")
                  << "    ";
    };
    std::cout << std::left << std::setw(26) << name;
    column(ours.best, paper.best), column(ours.average, paper.average), column(ours.worst, paper.worst);
    std::cout << std::endl;
}
void print_head(const std::string& title) {
    std::cout << '\n' << title << "\n\n" << std::left << std::setw(26) << "";
    for (const char* name : {"best case", "average case", "worst case"})
        std::cout << std::setw(31) << text(name, ", ours | paper");
    std::cout << '\n';
}

class experiment {
public:
    experiment(const program_type& program, dataset data, worker_pool& pool, const options& o)
        : program_(program), data_(std::move(data)), pool_(pool), steps_(o.number("steps")), inner_(o.number("inner")),
          searches_(o.number("searches")), row_(o.text_of("row")) {}

    void table_iii() const {
        // [objective][box treatment] as published: best, average and worst case
        static constexpr row published[7][3] = {
            {{{2.46, 1}, {4.35, 1}, {7.76, 1}}, {{2.93, 1}, {5.21, 1}, {9.48, 1}}, {{2.31, 1}, {4.11, 1}, {7.37, 1}}},
            {{{4.55, .80}, {3.22, .44}, {2.93, .18}},
             {{3.97, .83}, {8.99, .63}, {10.22, .40}},
             {{3.49, .83}, {15.06, .74}, {18.90, .53}}},
            {{{4.54, .77}, {3.47, .44}, {3.09, .17}},
             {{4.07, .81}, {9.55, .63}, {11.91, .41}},
             {{3.76, .82}, {15.84, .74}, {24.01, .59}}},
            {{{5.01, .86}, {4.03, .55}, {3.55, .24}},
             {{6.52, 1}, {7.49, .71}, {4.25, .35}},
             {{7.53, 1}, {7.60, .71}, {4.10, .35}}},
            {{{1.97, 1}, {3.58, 1}, {6.42, 1}}, {{2.20, 1}, {4.20, 1}, {7.86, 1}}, {{1.94, 1}, {3.47, 1}, {6.12, 1}}},
            {{{1.94, 1}, {3.47, 1}, {6.03, 1}}, {{2.18, 1}, {4.11, 1}, {7.50, 1}}, {{1.95, 1}, {3.41, 1}, {5.89, 1}}},
            {{{1.96, 1}, {3.53, 1}, {6.20, 1}}, {{2.21, 1}, {4.14, 1}, {7.57, 1}}, {{1.94, 1}, {3.43, 1}, {5.94, 1}}}};
        static constexpr const char* boxes[] = {"change of variable", "clipped descent", "projected descent"};
        print_head(
            text("Table III: L2 distance by objective and box treatment, ", searches_, " values of c, ", steps_, " updates"));
        for (int f = 1; f <= 7; ++f)
            for (int box = 0; box < 3; ++box)
                line(text('f', f, ", ", boxes[box]), published[f - 1][box], [&] {
                    return targeted(carlini_wagner_l2{.loss = {static_cast<cw_objective>(f)},
                                                      .box = static_cast<box_treatment>(box),
                                                      .binary_steps = searches_,
                                                      .steps = steps_},
                                    "l2");
                });
    }

    void table_iv() const {
        print_head("Table IV: distance in each attack's norm");
        auto map = jsma_z, probability_map = jsma_z;
        map.gamma = probability_map.gamma = 1;
        probability_map.kind = jsma_kind::probabilities;
        line("our L0", {{8.5, 1}, {16, 1}, {33, 1}}, [&] { return targeted(carlini_wagner_l0{.steps = inner_}, "l0"); });
        line("JSMA-Z", {{20, 1}, {56, 1}, {180, .98}}, [&] { return targeted(map, "l0"); });
        line("JSMA-F", {{17, 1}, {45, 1}, {100, 1}}, [&] { return targeted(probability_map, "l0"); });
        line("our L2", {{1.36, 1}, {1.76, 1}, {2.60, 1}},
             [&] { return targeted(carlini_wagner_l2{.binary_steps = searches_, .steps = steps_}, "l2"); });
        line("DeepFool", {{2.11, 1}, {}, {}}, [&] { return untargeted(deepfool<l2>{}); });
        line("our Linf", {{.13, 1}, {.16, 1}, {.23, 1}}, [&] { return targeted(carlini_wagner_linf{.steps = inner_}, "linf"); });
        line("fast gradient sign", {{.22, 1}, {.26, .42}, {0, 0}}, [&] { return smallest_epsilon(true); });
        line("iterative gradient sign", {{.14, 1}, {.19, 1}, {.26, 1}}, [&] { return smallest_epsilon(false); });
    }

private:
    template <class Measure>
    void line(const std::string& name, const row& published, const Measure& measure) const {
        if (name.find(row_) != std::string::npos) print(name, measure(), published);
    }
    static double distance_of(const targeted_case& c, std::string_view norm) { return distance_in(norm, c.mean); }

    template <class A>
    [[nodiscard]] row targeted(const A& attack, std::string_view norm) const {
        return row_of(perturb_all_targets(attack, program_, data_.x, data_.y, pool_), norm);
    }
    static row row_of(const all_targets_result<float>& all, std::string_view norm) {
        const auto best = all.best(norm), average = all.average(), worst = all.worst(norm);
        return {{distance_of(best, norm), best.success_rate()},
                {distance_of(average, norm), average.success_rate()},
                {distance_of(worst, norm), worst.success_rate()}};
    }
    template <class A>
    [[nodiscard]] row untargeted(const A& attack) const {
        const auto found = perturb(attack, program_, data_.x, data_.y, pool_);
        double sum = 0, count = 0;
        for (std::size_t i = 0; i < data_.size(); ++i)
            if (found.success[i]) sum += found.distances[i].l2, ++count;
        return {{count > 0 ? sum / count : 0, count / static_cast<double>(data_.size())}, {}, {}};
    }
    /// The smallest of 50 epsilons with a success, target by target: the gradient sign attacks have no distance of their own.
    [[nodiscard]] row smallest_epsilon(bool fast) const {
        std::vector<std::size_t> repeated;
        labels targets;
        for (std::size_t i = 0; i < data_.size(); ++i)
            for (std::int32_t k = 0; k < 10; ++k)
                if (k != data_.y[i]) repeated.push_back(i), targets.push_back(k);
        const image_subset<float> every(repeated, data_.x, data_.y, {}, nullptr);
        all_targets_result<float> nearest{{}, 9};
        for (int level = 1; level <= 50; ++level) {
            const auto left = level == 1 ? all_indices(repeated.size()) : survivors(nearest.each);
            if (left.empty()) break;
            run_settings aimed;
            aimed.targets = targets;
            const image_subset<float> part(left, every.x, every.y, aimed, nullptr);
            const auto at = [&](const auto& attack) { return perturb(attack, program_, part.x, part.y, pool_, part.settings); };
            const double epsilon = .02 * level;
            auto found = fast ? at(fgsm({.epsilon = epsilon, .targets = target_rule::given}))
                              : at(bim({.epsilon = epsilon,
                                        .step_size = 1. / 256,
                                        .steps = inner_,
                                        .targets = target_rule::given,
                                        .keep = keep_rule::first_success,
                                        .early_stop = true}));
            if (level == 1)
                nearest.each = std::move(found);
            else
                merge_part(nearest.each, found, left, nearer_in<float>("linf"));
        }
        return row_of(nearest, "linf");
    }

    const program_type& program_;
    dataset data_;
    worker_pool& pool_;
    std::size_t steps_, inner_, searches_;
    std::string row_;
};

}  // namespace

void print_tables(const options& o, const program_type& program, const dataset& data, worker_pool& pool) {
    const experiment e(program, data, pool, o);
    const std::string& table = o.text_of("table");
    if (table != "4") e.table_iii();
    if (table != "3") e.table_iv();
}
