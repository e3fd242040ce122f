#pragma once
#include "saddle/certification/cuda/device_bounds.cuh"
#include "saddle/certification/cuda/kernels/row_tiles.cuh"

namespace saddle::cuda {

/// The rows of a node's open values in tiles of 64: counted on the device, placed by the host, listed on the device. One number a
/// position comes to the host.
class row_list {
public:
    /// Counts the rows of every position of node i and waits for them.
    template <class Open>
    void count(const device_bounds& bounds, std::size_t i, const Open& is_open) {
        const auto& node = bounds.view(i);
        const std::size_t positions = static_cast<std::size_t>(node.pixels()), lanes = bounds.lanes();
        counts_.reserve(positions * lanes);
        totals_.reserve(positions);
        first_rows_.reserve(positions);
        launch(bounds.handle(), count_open<Open>, by_position("open values", positions, lanes), node, is_open,
               static_cast<int>(bounds.images()), static_cast<int>(lanes), counts_.data());
        launch(
            bounds.handle(), sum_open<>,
            {.operation = "places of rows", .blocks = positions, .threads = scan_threads, .shared = sizeof(int) * scan_threads},
            static_cast<int>(lanes), counts_.data(), totals_.data());
        host_totals_.resize(positions);
        copy_values(bounds.handle(), host_totals_.data(), totals_.data(), positions, cudaMemcpyDeviceToHost);
        bounds.order().synchronize();
        first_.assign(positions, 0);
        tiles_of_.clear();
        rows_each_ = Open::rows;
    }
    [[nodiscard]] std::size_t rows_at(std::size_t position) const {
        return rows_each_ * static_cast<std::size_t>(host_totals_[position]);
    }
    /// Gives the rows of these positions, one after another, the next tiles; `name` is what the tiles are told as their position.
    void place(std::span<const std::uint32_t> positions, std::size_t name) {
        std::size_t rows = 0;
        for (const std::uint32_t p : positions) {
            first_[p] = tiles() * bound_lanes + rows;
            rows += rows_at(p);
        }
        tiles_of_.insert(tiles_of_.end(), parts_of(rows, bound_lanes), static_cast<int>(name));
    }
    /// Lists the rows of what was counted and placed.
    template <class Open>
    void write(const device_bounds& bounds, std::size_t i, const Open& is_open) {
        reserve(tiles());
        copy_values(bounds.handle(), positions_.data(), tiles_of_.data(), tiles(), cudaMemcpyHostToDevice);
        copy_values(bounds.handle(), first_rows_.data(), first_.data(), first_.size(), cudaMemcpyHostToDevice);
        check(cudaMemsetAsync(rows_.data(), 0xff, tiles() * bound_lanes * sizeof(row_entry), bounds.handle()), "clearing rows");
        launch(bounds.handle(), list_rows<Open>, by_position("rows", first_.size(), bounds.lanes()), bounds.view(i), is_open,
               static_cast<int>(bounds.images()), static_cast<int>(bounds.lanes()), before(), first_rows(), rows_.data());
    }
    /// Makes room for rows that something else lists.
    void reserve(std::size_t tiles) {
        rows_.reserve(tiles * bound_lanes);
        positions_.reserve(tiles);
    }

    [[nodiscard]] std::size_t tiles() const { return tiles_of_.size(); }
    [[nodiscard]] int* positions() const { return positions_.data(); }
    [[nodiscard]] row_entry* rows() const { return rows_.data(); }
    /// Of every position, on the device: its first row, its open values [position], and those of the images before [position][image].
    [[nodiscard]] const std::size_t* first_rows() const { return first_rows_.data(); }
    [[nodiscard]] const int* totals() const { return totals_.data(); }
    [[nodiscard]] const int* before() const { return counts_.data(); }

private:
    [[nodiscard]] static launch_config by_position(std::string_view operation, std::size_t positions, std::size_t lanes) {
        return {.operation = operation,
                .blocks = lanes / bound_lanes,
                .threads = bound_lanes,
                .rows = std::min<std::size_t>(positions, 65535)};
    }

    device_vector<int> counts_, totals_, positions_;
    device_vector<std::size_t> first_rows_;
    device_vector<row_entry> rows_;
    std::vector<int> host_totals_, tiles_of_;
    std::vector<std::size_t> first_;
    std::size_t rows_each_ = 1;
};

}  // namespace saddle::cuda
