#include "saddle/certification/cuda/generator_plan.cuh"

#include "certification/networks.hpp"
#include "saddle/certification/box.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

/// The pixels of every node that depend on one pixel of node `born`, by following each of them.
std::vector<std::vector<bool>> reached(const bound_network<double>& network, std::size_t born, std::size_t position) {
    using enum operation_kind;
    std::vector<std::vector<bool>> on(network.size());
    for (std::size_t i = 0; i < network.size(); ++i) {
        const auto& node = network[i];
        on[i].assign(node.shape.pixels(), false);
        if (i == born) on[i][position] = true;
        if (i <= born) continue;
        for (const std::size_t input : std::array{node.input, node.second}) {
            if (input == none) continue;
            const auto in = network[input].shape;
            const auto& w = node.window;
            const bool windows = node.kind == convolution || node.kind == max_pool || node.kind == average_pool;
            for (std::size_t p = 0; p < on[i].size(); ++p) {
                if (!windows) {
                    const bool any = std::count(on[input].begin(), on[input].end(), true) > 0;
                    on[i][p] = on[i][p] || (in == node.shape ? on[input][p] : any);
                    continue;
                }
                for (std::size_t k = 0; k < w.height * w.width; ++k) {
                    const std::size_t y = p / node.shape.width * w.stride + k / w.width - w.padding,
                                      x = p % node.shape.width * w.stride + k % w.width - w.padding;  // below 0 they wrap
                    if (y < in.height && x < in.width && on[input][y * in.width + x]) on[i][p] = true;
                }
            }
        }
    }
    return on;
}

/// covering_positions, cell by cell of every window.
std::vector<cuda::map_window> covering_by_cells(const std::vector<cuda::map_window>& windows, std::size_t width, extents shape) {
    std::vector<cuda::map_window> found(shape.pixels());
    for (std::size_t p = 0; p < windows.size(); ++p)
        for (int y = windows[p].y; y < windows[p].y + windows[p].height; ++y)
            for (int x = windows[p].x; x < windows[p].x + windows[p].width; ++x) {
                const int row = static_cast<int>(p / width), column = static_cast<int>(p % width);
                found[static_cast<std::size_t>(y) * shape.width + static_cast<std::size_t>(x)].extend(row, column, row + 1,
                                                                                                      column + 1);
            }
    return found;
}
bool same(const cuda::map_window& a, const cuda::map_window& b) {
    return a.y == b.y && a.x == b.x && a.height == b.height && a.width == b.width;
}

}  // namespace

TEST_CASE("the positions whose windows hold a cell are found as cell by cell", "[cuda]") {
    const random_stream draws({.seed = 3, .purpose = purpose::user});
    std::uint64_t drawn = 0;
    const auto below = [&](int n) { return static_cast<int>(draws.uniform(0, drawn++) * static_cast<float>(n)); };
    for (const auto shape : {extents{1, 1, 1}, extents{1, 7, 5}, extents{1, 8, 16}, extents{1, 1, 33}, extents{1, 20, 1}})
        for (const std::size_t positions : {1, 6, 60}) {
            std::vector<cuda::map_window> windows(positions);
            const int high = static_cast<int>(shape.height), wide = static_cast<int>(shape.width);
            for (auto& w : windows) {
                w.y = below(high), w.x = below(wide);
                w.height = below(high - w.y + 1), w.width = below(wide - w.x + 1);  // some are empty
            }
            windows.back() = {0, 0, high - 1, wide};
            const auto found = cuda::covering_positions(windows, 6, shape), expected = covering_by_cells(windows, 6, shape);
            CHECK(std::equal(found.begin(), found.end(), expected.begin(), expected.end(), same));
        }
}

TEST_CASE("positions and cells of large maps are not gone through pair by pair", "[cuda]") {
    constexpr std::size_t side = 512;  // 7e10 pairs
    const std::vector<cuda::map_window> windows(side * side, {0, 0, side, side});
    const auto found = cuda::covering_positions(windows, side, {1, side, side});
    CHECK(std::all_of(found.begin(), found.end(), [](const auto& w) { return same(w, {0, 0, side, side}); }));
}

TEMPLATE_TEST_CASE("windows of generators hold exactly what depends on their position", "[cuda]", strided, pooled, smooth,
                   residual_network, preactivation) {
    const auto m = random_model<TestType>(1);
    const analysed<box, double, small_model<TestType>> a(m, {}, soundness::exact_arithmetic);
    for (std::size_t born = 0; born < a.network.size(); ++born) {
        const cuda::generator_plan plan(a.network, born);
        bool exact = true, sources_hold = true;
        for (std::size_t position = 0; position < a.network[born].shape.pixels(); ++position) {
            const auto on = reached(a.network, born, position);
            for (std::size_t i = born; i < a.network.size(); ++i) {
                const auto shape = a.network[i].shape;
                cuda::map_window box;
                for (std::size_t p = 0; p < on[i].size(); ++p)
                    if (const int y = static_cast<int>(p / shape.width), x = static_cast<int>(p % shape.width); on[i][p])
                        box.extend(y, x, y + 1, x + 1);
                const auto found = plan.reaches(i) ? plan.windows(i)[position] : cuda::map_window{};
                exact = exact && found.cells() == box.cells() &&
                        (box.empty() || (found.y == box.y && found.x == box.x && found.height == box.height));
            }
        }
        for (std::size_t i = born; i < a.network.size(); ++i) {
            if (!plan.reaches(i)) continue;
            const auto shape = a.network[i].shape;
            const auto sources = plan.sources(i, shape);
            const auto by_cells = covering_by_cells(plan.windows(i), a.network[born].shape.width, shape);
            sources_hold = sources_hold && std::equal(sources.begin(), sources.end(), by_cells.begin(), by_cells.end(), same);
            for (std::size_t p = 0; p < plan.windows(i).size(); ++p) {
                const auto& w = plan.windows(i)[p];
                const int row = static_cast<int>(p / a.network[born].shape.width),
                          column = static_cast<int>(p % a.network[born].shape.width);
                for (int cell = 0; cell < w.cells(); ++cell) {
                    const int y = w.y + cell / w.width, x = w.x + cell % w.width;
                    const auto& s = sources[static_cast<std::size_t>(y) * shape.width + static_cast<std::size_t>(x)];
                    sources_hold = sources_hold && row >= s.y && row < s.y + s.height && column >= s.x && column < s.x + s.width;
                }
            }
        }
        INFO("born at node " << born);
        CHECK(exact);
        CHECK(sources_hold);
    }
}
