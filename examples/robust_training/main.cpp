// Trains a classifier naturally and by Madry's adversarial training, attacks both, and writes a report: the library's main job.
#include "job.hpp"
#include "saddle/evaluation/build_info.hpp"
#include "saddle/evaluation/report_csv.hpp"
#include "saddle/evaluation/report_html.hpp"
#include "saddle/evaluation/report_json.hpp"
#include "saddle/evaluation/report_text.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "saddle/nn/networks/small_cnn.hpp"
#include "saddle/training/interruption.hpp"
#include "saddle/training/progress_bar.hpp"

#include <ctime>
#include <filesystem>

using namespace saddle;

namespace {

/// The plan of the network that was asked for. Throws for unknown image sizes.
plan chosen_network(const options& o, extents each) {
    const auto with_shape = [&]<class Shape>(Shape) {
        if (o.network == "small_cnn") return make_plan<networks::small_cnn<>, Shape, backend_type, float>();
        return make_plan<networks::conv_small<>, Shape, backend_type, float>();
    };
    if (each == shape<1, 28, 28>::value) return with_shape(shape<1, 28, 28>{});
    require<shape_error>(each == shape<3, 32, 32>::value, "robust_training", "extents of the images", "[1,28,28] or [3,32,32]",
                         each);
    return with_shape(shape<3, 32, 32>{});
}

void announce(const options& o, const split_dataset& data, const plan& structure) {
    const double pass = seconds_per_image(o, data.train, structure), steps = static_cast<double>(o.steps);
    const double images = static_cast<double>(data.train.size());
    const auto [natural, madry] = epochs_left(o);
    const double training = pass * images *  // an update costs about 1.5 passes
                            (2 * static_cast<double>(natural) + static_cast<double>(madry) * (steps + 2));
    const double attacks = pass * static_cast<double>(o.ladder().size() * 2 * data.test.size()) * (steps + 15);
    std::cout << "expected: training " << clock_text(training) << ", attacks " << clock_text(attacks) << '\n';
}

std::string today() {
    const std::time_t now = std::time(nullptr);
    char written[16];
    std::strftime(written, sizeof written, "%Y-%m-%d", std::localtime(&now));
    return written;
}

}  // namespace

int main(int count, char** arguments) try {
    const interruption stop_cleanly;
    const auto o = read_options(count, arguments);
    if (!o) return 0;
    load_options part;
    part.train = o->train;
    part.test = o->test;
    const auto data = load(o->data, part);
    std::cout << data.train.name << ": " << data.train.size() << " training and " << data.test.size() << " test images "
              << data.train.x.each() << '\n';
    const auto structure = chosen_network(*o, data.train.x.each());
    std::error_code problem;
    std::filesystem::create_directories(o->output, problem);
    require(!problem, "robust_training", "--output", "a folder that can be made", text(o->output, " (", problem.message(), ')'));
    announce(*o, data, structure);

    const auto natural = train(*o, data.train, structure, false), madry = train(*o, data.train, structure, true);
    report r;
    r.title = "Natural and adversarial training of " + o->network;
    r.date = today();
    r.seed = o->seed;
    r.epsilon = o->epsilon;
    r.build = build_info();
    r.data_name = data.test.name;
    r.data_size = data.test.size();
    r.classes = data.test.classes;
    r.image = data.test.x.each();
    attack(*o, data.test, natural, madry, r);

    std::cout << '\n';
    write_text(r, std::cout);
    const std::string base = o->output + "/report";
    write_json(r, base + ".json");
    write_csv(r, base + ".csv");
    write_html(r, base + ".html");
    std::cout << "\nreport: " << base << ".html, .json, .csv; weights: " << o->output
              << "/natural.safetensors, madry.safetensors\n";
    return 0;
} catch (const interrupted& stop) {
    std::cerr << '\n' << stop.what() << "; the same command goes on from the last checkpoint\n";
    return 130;
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
