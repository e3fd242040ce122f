// How the time of DeepPoly for one image grows with neurons and depth: fully connected networks trained naturally on MNIST for one epoch,
// epsilon .01, one thread. Prints a table and writes a chart.
//   certification_growth DATA WEIGHTS CHART.svg
#include "saddle/certification/deep_poly.hpp"
#include "saddle/certification/input_box.hpp"
#include "saddle/evaluation/charts.hpp"
#include "saddle/io/file.hpp"
#include "trained.hpp"

#include <chrono>
#include <iomanip>
#include <iostream>

namespace {

using namespace saddle;

template <std::size_t Depth, std::size_t Width>
using dense = sequential<flatten, linear<Width>, relu, repeat<Depth - 1, sequential<linear<Width>, relu>>, linear<10>>;

struct measured {
    double milliseconds, rows;
};

measured measure(const weighted_plan<backend::cpu, float>& m, const dataset& set, std::size_t images) {
    using V = lanes<float>;
    const cpu_backend::program<V> program(m.structure(), m.parameters(), m.buffers(), {.winograd = false});
    const bound_network<float> network(program.steps());
    deep_poly::analysis<V> analysis(network, {}, rounding_model::of<float, float>(soundness::float_program));
    std::vector<float> lower(program.input().size()), upper(lower.size());
    std::vector<double> margin(program.classes());
    const auto pass = [&] {
        for (std::size_t i = 0; i < images; ++i) {
            linf_box{.01}(i, set.x[i], std::span<float>(lower), std::span<float>(upper));
            analysis.margins(lower.data(), upper.data(), static_cast<std::size_t>(set.y[i]), margin.data());
        }
    };
    pass();
    const double rows = static_cast<double>(analysis.rows()) / static_cast<double>(images);
    double fastest = 1e300;
    for (int repetition = 0; repetition < 3; ++repetition) {
        const auto start = std::chrono::steady_clock::now();
        pass();
        fastest = std::min(fastest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return {fastest / static_cast<double>(images) * 1e3, rows};
}

template <std::size_t Depth, std::size_t Width>
void add(curve& line, const std::string& weights, const split_dataset& data) {
    const auto m =
        benchmarks::trained<dense<Depth, Width>, shape<1, 28, 28>>(weights, text("growth_", Depth, "x", Width), data, 0, 60'000);
    const auto [milliseconds, rows] = measure(m, data.test, 50);
    line.x.push_back(static_cast<double>(Depth * Width));
    line.y.push_back(milliseconds);
    std::cout << "| " << Depth << " x " << Width << " | " << Depth * Width + 10 << " | " << std::fixed << std::setprecision(0)
              << rows << " | " << std::setprecision(3) << milliseconds << " |" << std::endl;
}

template <std::size_t Width>
curve grow(const std::string& weights, const split_dataset& data) {
    curve line{.name = text("width ", Width)};
    add<1, Width>(line, weights, data);
    add<2, Width>(line, weights, data);
    add<4, Width>(line, weights, data);
    add<6, Width>(line, weights, data);
    add<9, Width>(line, weights, data);
    return line;
}

}  // namespace

int main(int count, char** arguments) try {
    require(count == 4, "certification_growth", "arguments", "DATA WEIGHTS CHART.svg", count - 1);
    const std::string weights = arguments[2];
    std::filesystem::create_directories(weights);
    const auto mnist = load(arguments[1] + std::string("/mnist"));
    std::cout << "| layers x width | neurons | rows/image | ms/image |\n|---|---|---|---|\n";
    chart c{.title = "DeepPoly: time per image against neurons", .x_label = "hidden neurons", .y_label = "ms per image"};
    c.curves = {grow<50>(weights, mnist), grow<100>(weights, mnist), grow<200>(weights, mnist)};
    std::string svg = line_chart(c);
    const std::string style = std::string("<style>svg{--sans:sans-serif;--surface:#fff;--muted:#5d6670;--hairline:#e3e4e1;"
                                          "--c0:#0f66ae;--c1:#c8500a;--c2:#0a7d5c}") +
                              chart_style + "</style><rect width=\"640\" height=\"352\" fill=\"#fff\"/>";
    svg.insert(svg.find('>') + 1, style);
    svg.insert(4, " xmlns=\"http://www.w3.org/2000/svg\"");
    write_file_atomically(arguments[3], svg);
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
