// Tries to break certificates: every verified test image of five networks against PGD-100 with 10 restarts, and a million random points
// and corners per network. Exits with 1 if one breaks.
//   soundness DATA WEIGHTS [IMAGES] [deep_poly|zonotope|box]
#include "saddle/attacks/perturb.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/certification/certify.hpp"
#include "saddle/certification/deep_poly.hpp"
#include "saddle/certification/zonotope.hpp"
#include "trained.hpp"

#include <iostream>

namespace {

using namespace saddle;

/// Points of verified boxes, every second one a corner: how many the float program gets wrong.
template <class Program>
std::size_t break_by_points(const Program& program, const images& x, const labels& y, double epsilon, std::size_t points,
                            worker_pool& pool) {
    constexpr std::size_t lanes = Program::vector::size;
    const std::size_t elements = x.each().size(), each = (points / x.size() + lanes) / lanes * lanes;
    std::atomic<std::size_t> broken = 0;
    pool.for_each(x.size(), [&](std::size_t i, std::size_t) {
        std::vector<float> lower(elements), upper(elements);
        linf_box{epsilon}(i, x[i], std::span<float>(lower), std::span<float>(upper));
        lane_vector<float> z(elements * lanes), logits(program.classes() * lanes);
        auto session = program.make_session();
        for (std::size_t b = 0; b < each / lanes; ++b) {
            const random_stream draws({.seed = 5, .purpose = purpose::user, .epoch = static_cast<std::uint32_t>(b)});
            for (std::size_t e = 0; e < elements; ++e)
                for (std::size_t l = 0; l < lanes; ++l) {
                    const double u = draws.uniform(i * lanes + l, e), at = l % 2 == 0 ? std::round(u) : u;
                    z[e * lanes + l] =
                        std::clamp(static_cast<float>(lower[e] + at * (double{upper[e]} - lower[e])), lower[e], upper[e]);
                }
            session.forward(z.data(), logits.data());
            for (std::size_t l = 0; l < lanes; ++l)
                broken += detail::predicted_class(logits.data() + l, program.classes(), lanes) != y[i];
        }
    });
    return broken;
}

template <class Domain, class Model>
std::size_t attempt(const std::string& name, const Model& m, const split_dataset& data, double epsilon, std::size_t images,
                    worker_pool& pool) {
    const auto x = data.test.x.slice(0, std::min(images, data.test.x.size()));
    const labels y(data.test.y.begin(), data.test.y.begin() + static_cast<std::ptrdiff_t>(x.size()));
    const cpu_backend::program<lanes<float>> program(m.structure(), m.parameters(), m.buffers(), {.winograd = false});
    const auto proof = certify<Domain>(program, x, y, linf_box{epsilon}, pool);
    saddle::images proven(proof.count(certificate::verified), x.each());
    labels correct;
    for (std::size_t i = 0; i < x.size(); ++i)
        if (proof.status[i] == certificate::verified) {
            std::copy(x[i].begin(), x[i].end(), proven[correct.size()].begin());
            correct.push_back(y[i]);
        }
    if (correct.empty()) return 0;
    const auto attack =
        pgd({.epsilon = epsilon, .step_size = epsilon / 20, .steps = 100, .restarts = 10, .keep = keep_rule::best});
    const auto result = perturb(attack, program, proven, correct, pool);
    std::size_t broken = 0;
    for (const auto s : result.success) broken += s;
    const auto points = break_by_points(program, proven, correct, epsilon, 1'000'000, pool);
    std::cout << Domain::name << ", " << name << ", epsilon " << epsilon << ": " << x.size() << " images, "
              << proof.count(certificate::misclassified) << " misclassified, " << correct.size()
              << " verified; broken by PGD-100 x 10: " << broken << ", by a million points: " << points << std::endl;
    return broken + points;
}

/// How many certificates of a domain break, over the five networks.
template <class Domain>
std::size_t attempt_all(const std::string& weights, const split_dataset& data, std::size_t images, worker_pool& pool) {
    using image = shape<1, 28, 28>;
    using conv = networks::conv_small<>;
    using dense = benchmarks::dense_6x100;
    std::size_t broken = 0;
    const auto attempt_on = [&](const std::string& name, const auto& m, double epsilon) {
        broken += attempt<Domain>(name, m, data, epsilon, images, pool);
    };
    const auto attempt_one = [&]<class Network>(const std::string& name, double trained_at, double epsilon) {
        attempt_on(name, benchmarks::trained<Network, image>(weights, name, data, trained_at), epsilon);
    };
    attempt_one.template operator()<conv>("conv_small_natural", 0, .03);
    attempt_one.template operator()<conv>("conv_small_madry", .1, .1);
    attempt_one.template operator()<dense>("dense_6x100_natural", 0, .02);
    attempt_one.template operator()<dense>("dense_6x100_madry", .1, .03);
    attempt_on("conv_small_ibp", benchmarks::trained_by_intervals<conv, image>(weights, "conv_small_ibp", data, .1), .1);
    return broken;
}

}  // namespace

int main(int count, char** arguments) try {
    require(count >= 3, "soundness", "arguments", "DATA WEIGHTS [IMAGES] [DOMAIN]", count - 1);
    const std::string weights = arguments[2], domain = count > 4 ? arguments[4] : "deep_poly";
    std::filesystem::create_directories(weights);
    const auto mnist = load(arguments[1] + std::string("/mnist"));
    const std::size_t images = count > 3 ? std::stoul(arguments[3]) : all_examples;
    require(domain == "deep_poly" || domain == "zonotope" || domain == "box", "soundness", "domain", "deep_poly, zonotope or box",
            domain);
    worker_pool pool;
    const std::size_t broken = domain == "zonotope" ? attempt_all<zonotope>(weights, mnist, images, pool)
                               : domain == "box"    ? attempt_all<box>(weights, mnist, images, pool)
                                                    : attempt_all<deep_poly>(weights, mnist, images, pool);
    return broken == 0 ? 0 : 1;
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
