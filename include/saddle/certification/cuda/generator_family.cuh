#pragma once
#include "saddle/certification/cuda/generator_plan.cuh"
#include "saddle/certification/cuda/kernels/generators.cuh"
#include "saddle/certification/cuda/row_list.cuh"
#include "saddle/certification/generator_map.hpp"

namespace saddle::cuda {

/// The generators of a batch that one node gives birth to: their rows, and the windows of their tiles at every node they reach.
///
/// Positions with few generators share tiles with their neighbours; a group's window holds those of its positions. What it holds beside
/// them is zero, so groups change no bits.
class generator_family {
public:
    generator_family(const device_bounds& bounds, std::size_t born)
        : bounds_(&bounds), plan_(bounds.network().network(), born), slots_(bounds.network().network().size(), none),
          sources_at_(slots_.size(), none), order_(morton_order(network()[born].shape)) {
        const auto shape = network()[born].shape;
        std::vector<map_window> all{{0, 0, static_cast<int>(shape.height), static_cast<int>(shape.width)}};
        std::size_t slots = 0;
        for (std::size_t i = born; i < slots_.size(); ++i) {
            if (!plan_.reaches(i)) continue;
            slots_[i] = slots++;
            sources_at_[i] = all.size();
            const auto found = plan_.sources(i, network()[i].shape);
            all.insert(all.end(), found.begin(), found.end());
        }
        cells_.resize(slots);
        sources_.reserve(all.size());
        copy_values(bounds.handle(), sources_.data(), all.data(), all.size(), cudaMemcpyHostToDevice);
        bounds.order().synchronize();
    }

    /// Lists a generator for every value with fresh[value] > 0 of the batch's images [value][image].
    void list(const double* fresh) {
        const fresh_value is_fresh{fresh};
        list_.count(*bounds_, plan_.born(), is_fresh);
        find_groups();
        if (list_.tiles() == 0) return;
        list_.write(*bounds_, plan_.born(), is_fresh);
        windows_.reserve(host_windows_.size());
        copy_values(bounds_->handle(), windows_.data(), host_windows_.data(), host_windows_.size(), cudaMemcpyHostToDevice);
    }

    [[nodiscard]] std::size_t born() const { return plan_.born(); }
    [[nodiscard]] std::size_t tiles() const { return list_.tiles(); }
    [[nodiscard]] tile_view rows() const { return {list_.positions(), list_.rows()}; }
    [[nodiscard]] generator_places places() const {
        return {list_.positions(), list_.first_rows(), list_.totals(), list_.before(),
                static_cast<int>(network()[plan_.born()].shape.width)};
    }
    /// Cells of the largest window of node i, 0 where none of the batch's generators comes; and values of all tiles there.
    [[nodiscard]] int cells(std::size_t i) const { return slots_[i] == none ? 0 : cells_[slots_[i]]; }
    [[nodiscard]] std::size_t slab(std::size_t i) const {
        return static_cast<std::size_t>(cells(i)) * network()[i].shape.channels * bound_lanes;
    }
    [[nodiscard]] std::size_t values(std::size_t i) const { return slab(i) * tiles(); }
    /// The coefficients of node i that stand at `data`.
    [[nodiscard]] coefficient_view view(std::size_t i, double* data) const {
        return {data, windows_.data() + slots_[i] * groups_, slab(i)};
    }
    /// For every pixel of node i, positions whose generators reach it; and all of them.
    [[nodiscard]] const map_window* sources(std::size_t i) const { return sources_.data() + sources_at_[i]; }
    [[nodiscard]] const map_window* all_positions() const { return sources_.data(); }
    /// About as many values as all nodes take if every value has a generator, for a first guess.
    [[nodiscard]] std::size_t most_values(std::size_t images) const {
        const auto shape = network()[plan_.born()].shape;
        std::size_t sum = 0;
        for (std::size_t i = plan_.born(); i < slots_.size(); ++i) {
            int cells = 0;
            for (const auto& w : plan_.windows(i)) cells = std::max(cells, w.cells());
            sum += static_cast<std::size_t>(cells) * network()[i].shape.channels;
        }
        return sum * shape.pixels() * parts_of(shape.channels * images, bound_lanes) * bound_lanes;
    }

private:
    [[nodiscard]] const bound_network<double>& network() const { return bounds_->network().network(); }

    void find_groups() {
        const auto shape = network()[plan_.born()].shape;
        std::vector<std::uint32_t> members;
        std::vector<std::vector<std::uint32_t>> groups;
        map_window now;
        std::size_t rows = 0;
        const auto extent_of = [](const map_window& w) {
            return extents{1, static_cast<std::size_t>(w.height), static_cast<std::size_t>(w.width)};
        };
        const auto close = [&] {
            if (members.empty()) return;
            list_.place(members, groups.size());
            groups.push_back(std::move(members));
            members.clear();
        };
        for (const std::uint32_t p : order_) {
            const std::size_t more = list_.rows_at(p);
            if (more == 0) continue;
            const auto& own = plan_.windows(plan_.born())[p];
            auto next = members.empty() ? map_window{} : now;
            next.extend(own);
            if (!members.empty() && (rows + more > bound_lanes || costs_more_together(shape, extent_of(now), extent_of(next)))) {
                close();
                next = own;
            }
            rows = members.empty() ? more : rows + more;
            now = next;
            members.push_back(p);
        }
        close();
        groups_ = groups.size();
        host_windows_.assign(cells_.size() * groups_, {});
        std::fill(cells_.begin(), cells_.end(), 0);
        for (std::size_t i = plan_.born(); i < slots_.size(); ++i) {
            if (slots_[i] == none) continue;
            for (std::size_t g = 0; g < groups_; ++g) {
                auto& w = host_windows_[slots_[i] * groups_ + g];
                for (const std::uint32_t p : groups[g]) w.extend(plan_.windows(i)[p]);
                cells_[slots_[i]] = std::max(cells_[slots_[i]], w.cells());
            }
        }
    }

    const device_bounds* bounds_;
    generator_plan plan_;
    std::vector<std::size_t> slots_,
        sources_at_;  ///< of every node: its place among those that are reached, and among the sources
    std::vector<std::uint32_t> order_;
    row_list list_;
    device_vector<map_window> windows_, sources_;  ///< [slot][group]; all positions, then [pixel] of each slot
    std::vector<map_window> host_windows_;
    std::vector<int> cells_;  ///< [slot]
    std::size_t groups_ = 0;
};

}  // namespace saddle::cuda
