#include "saddle/certification/partition_file.hpp"

#include "certification/networks.hpp"
#include "io/damage.hpp"
#include "io/says.hpp"
#include "saddle/certification/box.hpp"
#include "saddle/certification/deep_poly.hpp"
#include "saddle/certification/ladder.hpp"
#include "saddle/certification/zonotope.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

struct example {
    small_model<dense> m = random_model<dense>(4);
    images x{50, m.structure().input()};
    labels y;

    example() {
        const random_stream draws({.seed = 9, .purpose = purpose::user});
        for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = draws.uniform(0, i);
        for (std::int32_t i = 0; i < 50; ++i) y.push_back(i % 5 == 0 ? 1 : 2);
    }
};

partition_settings one_thread(std::string path = {}, std::size_t block = 16) {
    return {.path = std::move(path), .block = block, .certify = {.threads = 1}};
}

bool same(const std::vector<double>& a, const std::vector<double>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](double p, double q) { return p == q || (std::isnan(p) && std::isnan(q)); });
}

}  // namespace

TEST_CASE("a partition is what certify says of every image", "[partition]") {
    const example e;
    const auto p = partition_dataset<deep_poly>(e.m, e.x, e.y, linf_box{.05}, deep_poly{}, one_thread());
    const auto found = certify<deep_poly>(e.m, e.x, e.y, linf_box{.05}, deep_poly{}, {.threads = 1});
    CHECK(p.complete());
    CHECK(p.status == found.status);
    CHECK(same(p.margin, found.margin));
    CHECK(p.certified_accuracy() == found.certified_accuracy());
    for (const auto c : {certificate::misclassified, certificate::unverified, certificate::verified}) {
        CHECK(p.count(c) == found.count(c));
        CHECK(p.count(c) > 0);
    }
}

TEST_CASE("a box with ends of its own for every image keeps them in all blocks", "[partition]") {
    const example e;
    images lower = e.x, upper = e.x;
    for (std::size_t i = 0; i < e.x.size(); ++i)
        for (float& v : upper[i]) v = std::min(1.f, v + .0005f * static_cast<float>(i));
    const given_boxes<float> boxes{lower, upper};
    const auto p = partition_dataset<saddle::box>(e.m, e.x, e.y, boxes, saddle::box{}, one_thread({}, 7));
    const auto found = certify<saddle::box>(e.m, e.x, e.y, boxes, saddle::box{}, {.threads = 1});
    CHECK(same(p.margin, found.margin));
    CHECK(std::isnan(p.identity.epsilon));
}

TEST_CASE("a saved partition loads as it was", "[partition]") {
    const scratch_folder folder;
    const example e;
    const auto p = partition_dataset<zonotope>(e.m, e.x, e.y, linf_box{.05}, zonotope{}, one_thread(folder / "p.json"));
    const auto loaded = load_partition(folder / "p.json", identify_partition<zonotope>(e.m, e.x, e.y, linf_box{.05}));
    CHECK(loaded.status == p.status);
    CHECK(same(loaded.margin, p.margin));
    CHECK(loaded.done == p.done);
    CHECK(loaded.seconds == p.seconds);
    CHECK(loaded.version == p.version);
    CHECK(loaded.identity.epsilon == .05);
    CHECK(loaded.identity.box == "Linf ball, epsilon 0.05");
    CHECK(loaded.identity.domain == "DeepZ (intersect=false)");
    CHECK(folder.number_of_files() == 1);
}

TEST_CASE("a partition that was interrupted goes on where it was saved", "[partition]") {
    const scratch_folder folder;
    const example e;
    std::atomic<bool> stop{false};
    auto settings = one_thread(folder / "p.json");
    settings.certify.stop = &stop;
    settings.observe = [&](const partition& p) { stop = p.done == 32; };
    CHECK_THROWS_AS(partition_dataset<deep_poly>(e.m, e.x, e.y, linf_box{.05}, deep_poly{}, settings), interrupted);
    const auto half = load_partition(folder / "p.json");
    CHECK(half.done == 32);
    CHECK_FALSE(half.complete());

    stop = false;
    std::vector<std::size_t> seen;
    settings.observe = [&](const partition& p) { seen.push_back(p.done); };
    std::vector<std::size_t> progress;
    settings.certify.progress = [&](std::size_t done, std::size_t total) {
        progress.push_back(done);
        CHECK(total == 50);
    };
    const auto whole = partition_dataset<deep_poly>(e.m, e.x, e.y, linf_box{.05}, deep_poly{}, settings);
    CHECK(seen == std::vector<std::size_t>{48, 50});
    CHECK(progress.front() > 32);
    CHECK(progress.back() == 50);
    const auto fresh = partition_dataset<deep_poly>(e.m, e.x, e.y, linf_box{.05}, deep_poly{}, one_thread());
    CHECK(whole.status == fresh.status);
    CHECK(same(whole.margin, fresh.margin));

    seen.clear();
    partition_dataset<deep_poly>(e.m, e.x, e.y, linf_box{.05}, deep_poly{}, settings);
    CHECK(seen.empty());
    settings.resume = false;
    partition_dataset<deep_poly>(e.m, e.x, e.y, linf_box{.05}, deep_poly{}, settings);
    CHECK(seen.size() == 4);
}

TEST_CASE("a partition of something else is refused, with what differs", "[partition]") {
    const scratch_folder folder;
    const example e;
    const auto settings = one_thread(folder / "p.json");
    partition_dataset<deep_poly>(e.m, e.x, e.y, linf_box{.05}, deep_poly{}, settings);
    const auto refuses = [&](const auto& run, const std::string& why) {
        CHECK_THROWS_AS(run(), data_error);
        CHECK_THROWS_WITH(run(), says("belongs to something else") && says(why));
    };
    refuses([&] { partition_dataset<deep_poly>(e.m, e.x, e.y, linf_box{.02}, deep_poly{}, settings); },
            "input box: expected Linf ball, epsilon 0.02, found Linf ball, epsilon 0.05");
    refuses([&] { partition_dataset<deep_poly>(e.m, e.x, e.y, brightening{.01}, deep_poly{}, settings); },
            "input box: expected bright");
    refuses([&] { partition_dataset<saddle::box>(e.m, e.x, e.y, linf_box{.05}, saddle::box{}, settings); },
            "domain: expected Box, found DeepPoly (slope=");
    refuses([&] { partition_dataset<deep_poly>(e.m, e.x, e.y, linf_box{.05}, deep_poly{.slope = lower_slope::zero}, settings); },
            "domain: expected DeepPoly (slope=");
    refuses([&] { partition_dataset<deep_poly, double>(e.m, e.x, e.y, linf_box{.05}, deep_poly{}, settings); },
            "arithmetic of the bounds: expected double, found float");
    auto exact = settings;
    exact.certify.level = soundness::exact_arithmetic;
    refuses([&] { partition_dataset<deep_poly>(e.m, e.x, e.y, linf_box{.05}, deep_poly{}, exact); }, "soundness: expected exact");
    auto other = e;
    other.m.parameters()[5] += 1e-6f;
    refuses([&] { partition_dataset<deep_poly>(other.m, e.x, e.y, linf_box{.05}, deep_poly{}, settings); }, "model: expected ");
    other = e;
    other.y[3] = 0;
    refuses([&] { partition_dataset<deep_poly>(e.m, e.x, other.y, linf_box{.05}, deep_poly{}, settings); },
            "images and labels: ");
    other.x.values()[9] = 0;
    refuses([&] { partition_dataset<deep_poly>(e.m, other.x, e.y, linf_box{.05}, deep_poly{}, settings); },
            "images and labels: ");
    refuses(
        [&] {
            partition_dataset<deep_poly>(e.m, e.x.slice(0, 40), labels(e.y.begin(), e.y.begin() + 40), linf_box{.05}, deep_poly{},
                                         settings);
        },
        "number of images: expected 40, found 50");
}

TEST_CASE("a ladder's partition names the settings of its domains", "[partition]") {
    const example e;
    const auto id = identify_partition<ladder<saddle::box, zonotope>>(e.m, e.x, e.y, linf_box{.05});
    CHECK(id.domain == "Box, then DeepZ (DeepZ.intersect=false)");
}

TEST_CASE("networks of one size but other structure have other fingerprints", "[partition]") {
    const model<sequential<flatten, linear<4>, relu, linear<3>>, shape<1, 2, 2>, backend::cpu> a;
    const model<sequential<flatten, linear<4>, leaky_relu, linear<3>>, shape<1, 2, 2>, backend::cpu> b;
    REQUIRE(std::equal(a.parameters().begin(), a.parameters().end(), b.parameters().begin()));
    CHECK(fingerprint_model<float>(a.structure(), a.parameters(), a.buffers()) !=
          fingerprint_model<float>(b.structure(), b.parameters(), b.buffers()));
}

TEST_CASE("a damaged partition file is refused", "[partition]") {
    const scratch_folder folder;
    example e;
    const auto p = partition_dataset<saddle::box>(e.m, e.x.slice(0, 3), labels(e.y.begin(), e.y.begin() + 3), linf_box{.05},
                                                  saddle::box{}, one_thread(folder / "p.json"));
    const auto good = read_file(folder / "p.json");
    const auto read = [](const std::string& path) { (void)load_partition(path); };
    CHECK(read_truncated(folder / "d.json", std::vector(good.begin(), good.end() - 2), read).accepted == 0);
    const std::string content = partition_text(p);
    const auto altered = [&](const std::string& from, const std::string& to) {
        std::string bad = content;
        REQUIRE(bad.find(from) != std::string::npos);
        bad.replace(bad.find(from), from.size(), to);
        return bad;
    };
    CHECK_THROWS_WITH(parse_partition(altered("\"images\":3", "\"images\":4"), "f"),
                      says("f: letters for images; expected 4, found 3"));
    CHECK_THROWS_WITH(parse_partition(altered("\"done\":3", "\"done\":2"), "f"), says("margins; expected one for each of the 2"));
    CHECK_THROWS_WITH(parse_partition(altered("epsilon 0.05", "epsilon 0.02"), "f"), says("checksum of a damaged partition"));
    CHECK_THROWS_WITH(parse_partition(altered("\"format_version\":1", "\"format_version\":9"), "f"),
                      says("version of the partition's format; expected 1, found 9"));
    CHECK_THROWS_WITH(parse_partition("[1]", "f"), says("not a partition of this library"));
    CHECK_THROWS_WITH(parse_partition("{", "f"), says("not a readable partition"));
    CHECK_THROWS_AS(partition_dataset<saddle::box>(e.m, e.x, e.y, linf_box{.05}, saddle::box{}, one_thread(folder.path())),
                    io_error);
    CHECK_THROWS_AS(partition_dataset<saddle::box>(e.m, e.x, e.y, linf_box{.05}, saddle::box{}, one_thread(folder / "no/where")),
                    io_error);
}

TEST_CASE("a partition's settings are checked", "[partition]") {
    const example e;
    CHECK_THROWS_WITH(partition_dataset<saddle::box>(e.m, e.x, e.y, linf_box{.05}, saddle::box{}, one_thread({}, 0)),
                      says("block; expected at least 1 image, found 0"));
    CHECK_THROWS_AS(partition_dataset<saddle::box>(e.m, e.x, e.y, linf_box{2}, saddle::box{}, one_thread()), invalid_argument);
}
