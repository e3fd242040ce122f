#pragma once
#include "saddle/certification/cuda/device_bounds.cuh"
#include "saddle/certification/cuda/kernels/substitution_gemm.cuh"
#include "saddle/certification/cuda/substitution_plan.cuh"
#include "saddle/certification/deep_poly.hpp"

namespace saddle::cuda {

/// Pushes rows of one node back to the input, as many tiles of 64 rows at once as memory allows. The batch's form of
/// back_substitution: the same walk, constants and places where bounds are taken.
class device_substitution {
public:
    device_substitution(const device_bounds& bounds, substitution_plan plan)
        : bounds_(&bounds), plan_(std::move(plan)), first_window_(plan_.from() + 1) {
        std::vector<map_window> all;
        for (std::size_t i = 0; i <= plan_.from(); ++i) {
            first_window_[i] = all.size();
            all.insert(all.end(), plan_.windows(i).begin(), plan_.windows(i).end());
        }
        windows_.reserve(all.size());
        copy_values(bounds.handle(), windows_.data(), all.data(), all.size(), cudaMemcpyHostToDevice);
        bounds.order().synchronize();
    }

    [[nodiscard]] const substitution_plan& plan() const { return plan_; }
    /// Bytes of coefficients of one tile.
    [[nodiscard]] std::size_t bytes_per_tile() const { return plan_.width() * bound_lanes * sizeof(double); }

    /// Lower bounds of the rows of `count` tiles: bounds [tile][row]. Everything is on the device; `memory` holds at least one
    /// tile.
    void run(const int* positions, const row_entry* rows, std::size_t count, concretization where,
             device_vector<std::byte>& memory, double* constants, double* bounds) {
        const std::size_t most = std::min(memory.size() / bytes_per_tile(), most_tiles);
        const std::size_t passes = parts_of(count, most);
        for (std::size_t p = 0; p < passes; ++p) {
            const std::size_t first = count * p / passes, tiles = count * (p + 1) / passes - first;
            const std::size_t row = first * bound_lanes;
            run_pass({positions + first, rows + row, constants + row, bounds + row}, tiles, where,
                     reinterpret_cast<double*>(memory.data()));
        }
        launch(stream(), finish_rows<>, {.operation = "bounds of rows", .blocks = parts_of(count * bound_lanes, 256)},
               static_cast<const double*>(bounds), bounds_->rounding().underflow(), count * bound_lanes, bounds);
    }

private:
    static constexpr std::size_t most_tiles = std::size_t{1} << 15;  // so that a grid's blocks stay few

    [[nodiscard]] cudaStream_t stream() const { return bounds_->handle(); }
    [[nodiscard]] const bound_network<double>& network() const { return bounds_->network().network(); }
    [[nodiscard]] coefficient_view place(std::size_t i, std::size_t tiles, double* memory) const {
        return {memory + plan_.offset(i) * bound_lanes * tiles, windows_.data() + first_window_[i], plan_.slab(i) * bound_lanes};
    }

    void run_pass(const tile_view& t, std::size_t tiles, concretization where, double* memory) {
        using enum operation_kind;
        const std::size_t from = plan_.from();
        const int lanes = static_cast<int>(bounds_->lanes());
        const auto& start = bounds_->view(from);
        launch(stream(), start_rows<>, {.operation = "starting rows", .blocks = tiles, .threads = bound_lanes}, start, t, lanes);
        started_.assign(from + 1, false);
        if (plan_.by_weights()) {
            const std::size_t input = network()[from].input;
            launch(stream(), start_with_weights<>, by_cell("first coefficients", input, tiles), start, bounds_->view(input), t,
                   place(input, tiles, memory), plan_.largest_cells(input));
            started_[input] = true;
        } else {
            launch(stream(), start_with_values<>, by_cell("first coefficients", from, tiles), start, t,
                   place(from, tiles, memory), plan_.largest_cells(from), nullptr, lanes);
        }
        for (std::size_t i = from + 1; i-- > 0;) {
            if (!plan_.reaches(i) || (i == from && plan_.by_weights())) continue;
            const auto& node = network()[i];
            const bool scales = node.is_activation() || node.kind == scale_shift;
            const bool take = i == 0 || (where == concretization::all_nodes && plan_.bounds_at(i));
            const bool lines = i > 0 && (i == from ? node.is_activation() : scales || !node.constants_in_reader);
            absorb(i, t, tiles, take, lines, lines && scales, memory);
            if (i > 0) pass_down(i, t, tiles, memory);
        }
    }

    void absorb(std::size_t i, const tile_view& t, std::size_t tiles, bool take, bool lines, bool change, double* memory) {
        if (!take && !lines) return;
        const auto with = [&](auto kernel) {
            launch(stream(), kernel, by_part("lines of a layer", tiles), bounds_->view(i), t, place(i, tiles, memory),
                   bounds_->rounding().bounds_sum(bounds_->network().summands()), static_cast<int>(bounds_->lanes()));
        };
        if (!lines)
            with(absorb_lines<false, false, true>);
        else if (take)
            change ? with(absorb_lines<true, true, true>) : with(absorb_lines<true, false, true>);
        else
            change ? with(absorb_lines<true, true, false>) : with(absorb_lines<true, false, false>);
    }

    void pass_down(std::size_t i, const tile_view& t, std::size_t tiles, double* memory) {
        const auto& node = network()[i];
        if (node.kind == operation_kind::convolution)
            return with_product_tile(bounds_->view(i).columns, [&]<class Tile>(Tile) { convolve<Tile>(i, t, tiles, memory); });
        if (node.kind == operation_kind::max_pool)
            launch(stream(), absorb_maximum<>, by_part("constants of a maximum", tiles), bounds_->view(i), t,
                   place(i, tiles, memory), static_cast<int>(bounds_->lanes()));
        if (node.second != none) hand_on(i, node.second, t, tiles, memory);
        if (!plan_.moves(i)) hand_on(i, node.input, t, tiles, memory);
        started_[node.input] = true;
    }
    void hand_on(std::size_t i, std::size_t input, const tile_view& t, std::size_t tiles, double* memory) {
        launch(stream(), pass_coefficients<>, by_cell("handing coefficients on", input, tiles), bounds_->view(i),
               bounds_->view(input), t, place(i, tiles, memory), place(input, tiles, memory), plan_.largest_cells(input),
               static_cast<int>(bounds_->lanes()), static_cast<bool>(started_[input]));
        started_[input] = true;
    }
    template <class Tile>
    void convolve(std::size_t i, const tile_view& t, std::size_t tiles, double* memory) {
        const std::size_t input = network()[i].input;
        const auto [rows, columns] = plan_.groups(i);
        const std::size_t column_tiles = parts_of(static_cast<std::size_t>(bounds_->view(i).columns), Tile::columns);
        launch(stream(), substitute_convolution<Tile>,
               {.operation = "rows through a convolution",
                .blocks = column_tiles * static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns) * tiles,
                .threads = Tile::threads,
                .shared = Tile::shared},
               bounds_->view(i), bounds_->view(input), t, place(i, tiles, memory), place(input, tiles, memory), rows, columns,
               static_cast<bool>(started_[input]));
        started_[input] = true;
    }
    [[nodiscard]] launch_config by_cell(std::string_view operation, std::size_t i, std::size_t tiles) const {
        return {.operation = operation,
                .blocks = tiles * static_cast<std::size_t>(plan_.largest_cells(i)),
                .threads = bound_lanes,
                .threads_y = substitution_threads};
    }
    [[nodiscard]] static launch_config by_part(std::string_view operation, std::size_t tiles) {
        return {.operation = operation,
                .blocks = tiles,
                .threads = bound_lanes,
                .shared = sizeof(double) * bound_lanes * sum_parts,
                .threads_y = sum_parts};
    }

    const device_bounds* bounds_;
    substitution_plan plan_;
    std::vector<std::size_t> first_window_;
    device_vector<map_window> windows_;
    std::vector<bool> started_;
};

}  // namespace saddle::cuda
