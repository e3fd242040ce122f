// Tables III and IV of Carlini & Wagner (2017) on MNIST, beside the published figures: their network, every target of every image,
// mean distance and success rate in the best, average and worst case. carlini_wagner [OPTION VALUE]..., see `usage`.
#include "job.hpp"
#include "saddle/attacks/image_subset.hpp"
#include "saddle/attacks/predict.hpp"
#include "saddle/data/load.hpp"

#include <iostream>

using namespace saddle;

namespace {

constexpr std::string_view usage = R"(carlini_wagner: tables III and IV of Carlini & Wagner (2017) on MNIST
  --data DIR|generated   MNIST's folder (default generated: digits made here)
  --weights FILE         read, or written after training (default carlini_wagner.safetensors)
  --train N, --epochs N  images and passes of the training (default all, 50)
  --images N             attacked images (default 10; the paper: 1000)
  --steps N              updates for each c (default 1000; the paper: 10000)
  --inner N              updates for each solve of L0 and Linf, steps of the iterative gradient sign (default 1000, the paper's)
  --searches N           values of c (default 9; the paper: 20 in table III)
  --table 3|4|both       (default 4; table III is 21 attacks)
  --row TEXT             only rows whose name contains TEXT
)";

const std::map<std::string, std::string> defaults{{"data", "generated"},  {"weights", "carlini_wagner.safetensors"},
                                                  {"train", "100000000"}, {"epochs", "50"},
                                                  {"images", "10"},       {"steps", "1000"},
                                                  {"inner", "1000"},      {"searches", "9"},
                                                  {"table", "4"},         {"row", ""}};

}  // namespace

int main(int count, char** arguments) try {
    if (count == 2 && std::string_view(arguments[1]) == "--help") {
        std::cout << usage;
        return 0;
    }
    const options o("carlini_wagner", defaults, count, arguments);
    const std::string& table = o.text_of("table");
    require(table == "3" || table == "4" || table == "both", "carlini_wagner", "--table", "3, 4 or both", table);
    const auto data = load(o.text_of("data"));
    const auto network = trained_network(o, data);
    const auto program = prepare(network);
    worker_pool pool;
    const auto said = predict(program, data.test.x, pool);
    const double right = said.accuracy(data.test.y);
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < data.test.size() && chosen.size() < o.number("images"); ++i)
        if (said.classes[i] == data.test.y[i]) chosen.push_back(i);
    require<data_error>(!chosen.empty(), "carlini_wagner", "test images that the network gets right", "at least 1", 0);
    image_subset<float> right_ones(chosen, data.test.x, data.test.y, {}, nullptr);
    dataset attacked = data.test;
    attacked.x = std::move(right_ones.x);
    attacked.y = std::move(right_ones.y);
    std::cout << "C&W's MNIST network, test accuracy " << 100 * right << " % (paper: 99.5 %); " << attacked.size()
              << " images that it gets right, all targets\n";
    print_tables(o, program, attacked, pool);
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n' << usage;
    return 1;
}
