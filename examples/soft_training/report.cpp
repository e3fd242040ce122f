#include "job.hpp"
#include "saddle/evaluation/charts.hpp"
#include "saddle/evaluation/html_style.hpp"
#include "saddle/evaluation/html_table.hpp"
#include "saddle/io/file.hpp"

using namespace saddle;

namespace {

using values = std::vector<double> training_curve::*;

chart chart_of(const char* title, values of, const std::vector<std::vector<training_curve>>& seeds) {
    chart c{title, "", "epoch", "test images, %"};
    for (std::size_t kind = 0; kind < 3; ++kind) {
        curve line{.name = kinds[kind]};
        for (std::size_t e = 0; e < (seeds[0][kind].*of).size(); ++e) {
            double sum = 0, low = 1, high = 0;
            for (const auto& curves : seeds) {
                const double v = (curves[kind].*of)[e];
                sum += v, low = std::min(low, v), high = std::max(high, v);
            }
            line.x.push_back(static_cast<double>(e + 1));
            line.y.push_back(100 * sum / static_cast<double>(seeds.size()));
            line.lower.push_back(100 * low), line.upper.push_back(100 * high);
        }
        c.curves.push_back(line);
    }
    return c;
}

}  // namespace

std::string mean_text(const std::vector<std::vector<training_curve>>& seeds, std::size_t kind,
                      double (*value)(const training_curve&)) {
    double sum = 0, squares = 0;
    const auto n = static_cast<double>(seeds.size());
    for (const auto& curves : seeds) sum += value(curves[kind]) / n;
    for (const auto& curves : seeds) squares += std::pow(value(curves[kind]) - sum, 2);
    return fixed_text(sum, 2) + " ± " + (n > 1 ? fixed_text(std::sqrt(squares / (n - 1)), 2) : "–");
}

void write_page(const options& o, const std::string& data, const std::vector<std::vector<training_curve>>& seeds,
                const std::string& path) {
    const std::string title = "Natural, adversarial and soft adversarial training of conv_small";
    std::string figures;
    for (const auto& c : {chart_of("Natural accuracy", &training_curve::natural, seeds),
                          chart_of("Adversarial accuracy", &training_curve::adversarial, seeds),
                          chart_of("Verified by DeepPoly", &training_curve::verified, seeds)})
        figures += html_element("figure", "", html_element("h3", "", c.title) + line_chart(c) + chart_legend(c));
    detail::html_table table;
    table.head({"training", "natural, %", "adversarial, %", "verified, %", "seconds an epoch"}, 1);
    for (std::size_t kind = 0; kind < 3; ++kind)
        table.row({kinds[kind], mean_text(seeds, kind, [](const training_curve& c) { return 100 * c.natural.back(); }),
                   mean_text(seeds, kind, [](const training_curve& c) { return 100 * c.adversarial.back(); }),
                   mean_text(seeds, kind, [](const training_curve& c) { return 100 * c.verified.back(); }),
                   mean_text(seeds, kind, [](const training_curve& c) {
                       double sum = 0;
                       for (const double s : c.seconds) sum += s;
                       return sum / static_cast<double>(c.seconds.size());
                   })});
    const std::string about =
        text(data, ", epsilon ", epsilon_text(o.epsilon), ", PGD-", o.steps, " with step ", short_text(o.step_size, 4), ", ",
             o.start_epochs, " epochs of natural training, then ", o.epochs, " of each kind; ", seeds.size(),
             " seeds: means, ranges in the charts, standard deviations in the table");
    write_file_atomically(
        path,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" + html_element("title", "", title) +
            html_element("style", "", std::string(page_style) + chart_style) + "</head>\n<body>\n" +
            html_element("header", "", html_element("h1", "", title) + html_element("p", "class=\"lead\"", escape_html(about))) +
            html_element("main", "",
                         html_element("section", "", html_element("div", "class=\"charts\"", figures)) +
                             html_element("section", "", html_element("h2", "", "After the last epoch") + table.finish())) +
            "\n</body>\n</html>\n");
}
