#include "saddle/certification/certify.hpp"

#include "certification/networks.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/certification/deep_poly.hpp"
#include "saddle/certification/zonotope.hpp"
#include "saddle/nn/networks/small_cnn.hpp"
#include "saddle/testing/random_images.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

constexpr extents each{2, 8, 7};

/// Images, and what the network itself calls them.
struct labelled {
    images x;
    labels y;
    explicit labelled(const small_model<strided>& m, std::size_t count) : x(count, each), y(count) {
        const random_stream draws({.seed = 9, .purpose = purpose::user});
        for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = draws.uniform(0, i);
        y = certify<box>(m, x, y, linf_box{0}).predictions;
    }
};

}  // namespace

TEST_CASE("an image that the network gets wrong is misclassified, whatever the box", "[certify]") {
    const auto m = random_model<strided>(1);
    labelled set(m, 5);
    set.y[2] = (set.y[2] + 1) % 4;
    const auto result = certify<deep_poly>(m, set.x, set.y, linf_box{0});
    CHECK(result.status[2] == certificate::misclassified);
    CHECK(std::isnan(result.margin[2]));
    CHECK(result.count(certificate::verified) == 4);
    CHECK(result.clean_accuracy() == .8);
    CHECK(result.certified_accuracy() == .8);
}

TEST_CASE("a result names its domain and its level of soundness", "[certify]") {
    const auto m = random_model<strided>(1);
    const labelled set(m, 1);
    CHECK(certify<deep_poly>(m, set.x, set.y, linf_box{.1}).domain == "DeepPoly");
    CHECK(certify<box>(m, set.x, set.y, linf_box{.1}, box{}, {.level = soundness::exact_arithmetic}).level ==
          soundness::exact_arithmetic);
}

TEST_CASE("bounds in double are tighter than in float and close to them", "[certify]") {
    const auto m = random_model<strided>(1);
    const labelled set(m, 9);
    const auto narrow = certify<deep_poly>(m, set.x, set.y, linf_box{.05});
    const auto wide = certify<deep_poly, double>(m, set.x, set.y, linf_box{.05});
    for (std::size_t i = 0; i < set.x.size(); ++i) {
        CHECK(wide.margin[i] >= narrow.margin[i]);
        CHECK(wide.margin[i] < narrow.margin[i] + 1e-3);
    }
}

TEST_CASE("certification gives the same bits for any threads, batch and order", "[certify][threads]") {
    const auto m = random_model<strided>(1);
    const labelled set(m, 37);
    const auto whole = certify<deep_poly>(m, set.x, set.y, linf_box{.05}, deep_poly{}, {.threads = 1});
    CHECK(certify<deep_poly>(m, set.x, set.y, linf_box{.05}, deep_poly{}, {.threads = 3}).margins ==
          certify<deep_poly>(m, set.x, set.y, linf_box{.05}, deep_poly{}, {.threads = 2}).margins);
    for (const std::size_t i : {0, 5, 36}) {
        const auto alone = certify<deep_poly>(m, set.x.slice(i, 1), labels{set.y[i]}, linf_box{.05});
        CHECK(std::equal(alone.margins.begin(), alone.margins.end(), whole.margins.begin() + static_cast<std::ptrdiff_t>(4 * i),
                         [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }));
    }
}

TEST_CASE("a program without Winograd can be certified itself, one with it is refused", "[certify]") {
    using network = sequential<conv2d<16, 3, padding<1>>, relu, conv2d<16, 3, padding<1>>, relu, flatten, linear<4>>;
    const small_model<network> m(3);
    images x(1, each);
    const cpu_backend::program<lanes<float>> plain(m.structure(), m.parameters(), m.buffers(), {.winograd = false});
    CHECK(certify<box>(plain, x, {0}, linf_box{.1}).status == certify<box>(m, x, {0}, linf_box{.1}).status);
    CHECK_THROWS_WITH(certify<box>(prepare(m), x, {0}, linf_box{.1}), Catch::Matchers::Contains("{.winograd = false}"));
}

TEMPLATE_TEST_CASE("logits that are a map are compared in the program's order", "[certify]", box, zonotope, deep_poly) {
    using network = sequential<conv2d<3, 2, stride<3>>, saddle::tanh>;  // to 3·3·2
    const auto m = random_model<network>(2);
    const random_box point(each.size(), 0, 3);
    analysed<TestType, double, small_model<network>> a(m, {}, soundness::exact_arithmetic);
    const auto seen = sampled_margins(a.program, point, 7, 1, 1);
    const auto margin = a.margins(point, 7);
    REQUIRE(margin.size() == 18);
    for (std::size_t j = 0; j < 18; ++j) CHECK(margin[j] == Approx(seen[j]).margin(1e-6));
}

TEST_CASE("weights that are not finite are an error that names the layer", "[certify]") {
    auto m = random_model<strided>(1);
    m.parameters()[3] = std::numeric_limits<float>::infinity();
    CHECK_THROWS_AS(certify<box>(m, images(1, each), {0}, linf_box{.1}), numeric_error);
}

TEST_CASE("a plan with an operation without relaxation is an error that names the layer", "[certify]") {
    const small_model<sequential<flatten, linear<4>, softplus, linear<4>>> m(1);
    using V = lanes<float>;
    const cpu_backend::program<V> program(m.structure(), m.parameters(), m.buffers());
    CHECK_THROWS_WITH(certify<box>(program, images(1, each), {0}, linf_box{.1}), Catch::Matchers::Contains("layer '2'"));
}

TEST_CASE("certification refuses what does not fit", "[certify]") {
    const auto m = random_model<strided>(1);
    const labelled set(m, 3);
    CHECK_THROWS_AS(certify<box>(m, images(1, extents{1, 8, 7}), {0}, linf_box{.1}), shape_error);
    CHECK_THROWS_AS(certify<box>(m, set.x, labels{0}, linf_box{.1}), shape_error);
    CHECK_THROWS_AS(certify<box>(m, set.x, labels{0, 1, 4}, linf_box{.1}), data_error);
    CHECK_THROWS_AS(certify<box>(m, set.x, set.y, linf_box{-.1}), invalid_argument);
    auto bright = set.x;
    bright.values()[7] = 1.5f;
    CHECK_THROWS_AS(certify<box>(m, bright, set.y, linf_box{.1}), data_error);
}

TEST_CASE("certification stops on request and tells its progress", "[certify]") {
    const auto m = random_model<strided>(1);
    const labelled set(m, 40);
    const std::atomic<bool> stop = true;
    CHECK_THROWS_AS(certify<box>(m, set.x, set.y, linf_box{.1}, box{}, {.stop = &stop}), interrupted);
    std::size_t last = 0;
    certify_settings settings;
    settings.progress = [&](std::size_t done, std::size_t total) {
        CHECK(done > last);
        CHECK(total == 40);
        last = done;
    };
    certify<box>(m, set.x, set.y, linf_box{.1}, box{}, settings);
    CHECK(last == 40);
}

TEST_CASE("falsify counts points of the box that have another class, and nothing else", "[certify]") {
    const auto m = random_model<strided>(1);
    labelled set(m, 40);
    for (std::size_t i = 0; i < 40; i += 3) set.y[i] = (set.y[i] + 1) % 4;
    worker_pool pool(2);
    images points(40, each);
    const random_stream draws({.seed = 4, .purpose = purpose::user});
    for (std::size_t i = 0; i < points.values().size(); ++i) points.values()[i] = draws.uniform(0, i);
    const labels found = certify<box>(m, points, set.y, linf_box{0}).predictions;  // of the points
    const auto everywhere = falsify(m, set.x, set.y, linf_box{1}, points, pool);
    for (std::size_t i = 0; i < 40; ++i) CHECK(everywhere[i] == (found[i] != set.y[i]));
    CHECK(std::count(everywhere.begin(), everywhere.end(), 1) > 0);
    const auto outside = falsify(m, set.x, set.y, linf_box{.01}, points, pool);
    CHECK(std::count(outside.begin(), outside.end(), 1) == 0);
    CHECK_THROWS_AS(falsify(m, set.x, set.y, linf_box{.1}, images(39, each), pool), shape_error);
}

TEST_CASE("what is falsified is unverified without an analysis, the rest is as before", "[certify]") {
    const auto m = random_model<strided>(1);
    const labelled set(m, 9);
    const auto plain = certify<deep_poly>(m, set.x, set.y, linf_box{.001});
    REQUIRE(plain.count(certificate::verified) == 9);
    std::vector<std::uint8_t> falsified(9);
    falsified[4] = 1;
    const auto result = certify<deep_poly>(m, set.x, set.y, linf_box{.001}, {}, {.falsified = falsified});
    CHECK(result.status[4] == certificate::unverified);
    CHECK(std::isnan(result.margin[4]));
    for (std::size_t i = 0; i < 9; ++i)
        if (i != 4) CHECK(result.margin[i] == plain.margin[i]);
    CHECK_THROWS_AS(certify<deep_poly>(m, set.x, set.y, linf_box{.1}, {}, {.falsified = std::span(falsified).first(8)}),
                    shape_error);
}

TEST_CASE("an empty set gives an empty result", "[certify]") {
    const auto result = certify<box>(random_model<strided>(1), images(), {}, linf_box{.1});
    CHECK(result.status.empty());
    CHECK(result.certified_accuracy() == 0);
}
