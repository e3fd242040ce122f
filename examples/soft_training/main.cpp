// Soft adversarial training (Sharma & Narayan 2022, figure 5): is natural accuracy kept when only unproven images are attacked?
#include "job.hpp"
#include "saddle/evaluation/format.hpp"
#include "saddle/training/interruption.hpp"

#include <charconv>
#include <filesystem>
#include <iostream>
#include <map>
#include <variant>

using namespace saddle;

options read_options(int count, char** arguments) {
    options o;
    const std::map<std::string_view, std::variant<std::string*, double*, std::size_t*>> known{
        {"--data", &o.data},   {"--output", &o.output},   {"--epsilon", &o.epsilon},     {"--step-size", &o.step_size},
        {"--steps", &o.steps}, {"--epochs", &o.epochs},   {"--seeds", &o.seeds},         {"--start-epochs", &o.start_epochs},
        {"--batch", &o.batch}, {"--threads", &o.threads}, {"--recertify", &o.recertify}, {"--train", &o.train},
        {"--test", &o.test},   {"--certify", &o.certify}};
    for (int i = 1; i < count; i += 2) {
        const std::string name = arguments[i];
        const auto found = known.find(name);
        require(found != known.end(), "soft_training", "option", "one of those that --help lists", name);
        require(i + 1 < count, "soft_training", name, "a value", "nothing");
        const std::string_view value = arguments[i + 1];
        std::visit(
            [&](auto* to) {
                if constexpr (std::is_same_v<decltype(to), std::string*>) {
                    *to = value;
                } else {
                    const auto [end, problem] = std::from_chars(value.begin(), value.end(), *to);
                    require(problem == std::errc{} && end == value.end(), "soft_training", name, "a number", value);
                }
            },
            found->second);
    }
    for (const auto& [name, number] : {std::pair{"--epochs", o.epochs},
                                       {"--start-epochs", o.start_epochs},
                                       {"--seeds", o.seeds},
                                       {"--train", o.train},
                                       {"--test", o.test},
                                       {"--certify", o.certify}})
        require(number > 0, "soft_training", name, "at least 1", number);
    return o;
}

int main(int count, char** arguments) try {
    for (int i = 1; i < count; ++i)
        if (arguments[i] == std::string_view("--help")) return std::cout << usage, 0;
    const interruption stop_cleanly;
    const auto o = read_options(count, arguments);
    load_options part;
    part.train = o.train;
    part.test = o.test;
    const auto data = load(o.data, part);
    std::cout << data.train.name << ": " << data.train.size() << " training and " << data.test.size() << " test images\n";
    std::filesystem::create_directories(o.output);

    std::vector<std::vector<training_curve>> seeds;
    for (std::size_t seed = 0; seed < o.seeds; ++seed) seeds.push_back(train(o, data, seed));

    std::cout << "\nmeans and standard deviations over " << o.seeds << " seeds, test images, %; verified: the first "
              << std::min(o.certify, data.test.size())
              << ", by DeepPoly\n\nepoch  training     natural         adversarial     verified\n";
    const auto cell = [](std::string s) { return s.resize(std::max<std::size_t>(s.size(), 17), ' '), s; };
    for (std::size_t epoch = 0; epoch < o.epochs; ++epoch)
        for (std::size_t kind = 0; kind < 3; ++kind) {
            auto so_far = seeds;
            for (auto& curves : so_far)
                for (auto* of : {&curves[kind].natural, &curves[kind].adversarial, &curves[kind].verified}) of->resize(epoch + 1);
            std::string name = kinds[kind], number = std::to_string(epoch + 1);
            name.resize(13, ' '), number.resize(7, ' ');
            std::cout << number << name << cell(mean_text(so_far, kind, [](const auto& c) { return 100 * c.natural.back(); }))
                      << cell(mean_text(so_far, kind, [](const auto& c) { return 100 * c.adversarial.back(); }))
                      << mean_text(so_far, kind, [](const auto& c) { return 100 * c.verified.back(); }) << '\n';
        }
    std::cout << "\ntraining images that soft training left alone, %: "
              << mean_text(seeds, 2, [](const training_curve& c) { return 100 * c.kept.back(); }) << '\n';
    for (std::size_t kind = 0; kind < 3; ++kind)
        std::cout << "seconds an epoch, " << kinds[kind] << ": " << mean_text(seeds, kind, [](const training_curve& c) {
            double sum = 0;
            for (const double s : c.seconds) sum += s;
            return sum / static_cast<double>(c.seconds.size());
        }) << '\n';
    write_page(o, data.train.name, seeds, o.output + "/report.html");
    std::cout << "\npage: " << o.output << "/report.html\n";
    return 0;
} catch (const interrupted& stop) {
    std::cerr << '\n' << stop.what() << "; the same command goes on from the last checkpoint\n";
    return 130;
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
