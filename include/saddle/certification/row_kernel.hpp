#pragma once
#include "saddle/core/lanes.hpp"

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace saddle {

/// The channels of each position that can matter to a bound: a ReLU that is off has no place in any sum. Order [y][x][channel].
struct live_channels {
    std::vector<std::uint32_t> first;  ///< of each position, and one past the last
    std::vector<std::uint32_t> channel;

    [[nodiscard]] std::size_t count(std::size_t position) const { return first[position + 1] - first[position]; }
    [[nodiscard]] const std::uint32_t* begin(std::size_t position) const { return channel.data() + first[position]; }
    /// Lists every channel for which `matters(index of the value)` holds.
    template <class Matters>
    void assign(std::size_t positions, std::size_t channels, Matters&& matters) {
        first.assign(1, 0);
        channel.clear();
        for (std::size_t p = 0; p < positions; ++p) {
            for (std::size_t c = 0; c < channels; ++c)
                if (matters(p * channels + c)) channel.push_back(static_cast<std::uint32_t>(c));
            first.push_back(static_cast<std::uint32_t>(channel.size()));
        }
    }
};

namespace detail {

/// One position that a sum reads: coefficients [channel][lane], which channels, and their weights [channel][column].
template <class T>
struct row_source {
    const T* coefficients;
    const T* weights;
    const std::uint32_t* channels;
    std::size_t count;
};

/// Where the sums of an output position go: column k's lanes start at data + offset[k].
template <class T>
struct row_target {
    T* data;
    const std::size_t* offset;
    bool accumulate;
};

/// target[r][lane] (+)= Σ over sources and their live channels o of weights[o][columns[r]] · coefficients[o][lane], R columns × L registers.
template <class V, int R, int L, class T>
void row_tile(const row_source<T>* source, const row_source<T>* last, std::size_t lane_stride, std::size_t weight_stride,
              const std::uint32_t* columns, const row_target<T>& target, std::size_t lane_offset) {
    constexpr int chains = R * L < 4 ? 2 : 1;  // sums enough to hide a multiply-add's latency
    V sum[chains][R][L];
#pragma GCC unroll 16
    for (int i = 0; i < chains; ++i)
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
            for (int l = 0; l < L; ++l) sum[i][r][l] = V(T(0));
    std::size_t column[R];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) column[r] = columns[r];
    for (; source != last; ++source) {
        const auto add = [&](std::size_t k, V(&to)[R][L]) {
            const std::size_t o = source->channels[k];
            const T* const a = source->coefficients + o * lane_stride + lane_offset;
            const T* const w = source->weights + o * weight_stride;
            V x[L];
#pragma GCC unroll 16
            for (int l = 0; l < L; ++l) x[l] = V::load_aligned(a + l * static_cast<int>(V::size));
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const V weight = V::broadcast(w[column[r]]);
#pragma GCC unroll 16
                for (int l = 0; l < L; ++l) to[r][l] = multiply_add(weight, x[l], to[r][l]);
            }
        };
        std::size_t k = 0;
        if constexpr (chains == 2)
            for (; k + 2 <= source->count; k += 2) add(k, sum[0]), add(k + 1, sum[1]);
        for (; k < source->count; ++k) add(k, sum[0]);
    }
    if constexpr (chains == 2)
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
            for (int l = 0; l < L; ++l) sum[0][r][l] += sum[1][r][l];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
        for (int l = 0; l < L; ++l) {
            T* const to = target.data + target.offset[column[r]] + lane_offset + static_cast<std::size_t>(l) * V::size;
            if (target.accumulate) sum[0][r][l] += V::load_aligned(to);
            sum[0][r][l].store_aligned(to);
        }
}

/// Most columns of a tile of L registers, 1 to 4: sums, coefficients and a weight fill the register file.
template <class V, int L>
inline constexpr std::size_t most_tile_columns = sizeof(V) == 64 ? std::array{0, 16, 12, 8, 6}[L] : std::array{0, 8, 6, 4, 2}[L];

/// All columns of one output position for L registers of lanes, in tiles of about equal size.
template <class V, int L, class T>
void row_tiles(const row_source<T>* first, const row_source<T>* last, std::size_t lane_stride, std::size_t weight_stride,
               const std::uint32_t* columns, std::size_t count, const row_target<T>& target, std::size_t lane_offset) {
    constexpr std::size_t most = most_tile_columns<V, L>;
    static constexpr auto tiles = []<std::size_t... R>(std::index_sequence<R...>) {
        return std::array{&row_tile<V, static_cast<int>(R + 1), L, T>...};
    }
    (std::make_index_sequence<most>());
    const std::size_t parts = (count + most - 1) / most;
    for (std::size_t p = 0, r = 0; p < parts; ++p) {
        const std::size_t size = (count - r) / (parts - p);
        tiles[size - 1](first, last, lane_stride, weight_stride, columns + r, target, lane_offset);
        r += size;
    }
}

/// All columns and registers of one output position.
template <class V, class T>
void row_sums(const row_source<T>* first, const row_source<T>* last, std::size_t registers, std::size_t weight_stride,
              const std::uint32_t* columns, std::size_t count, const row_target<T>& target) {
    const std::size_t stride = registers * V::size;
    for (std::size_t done = 0; done < registers;) {
        const std::size_t left = registers - done, offset = done * V::size, now = left == 5 ? 3 : std::min<std::size_t>(left, 4);
        if (now == 4)
            row_tiles<V, 4>(first, last, stride, weight_stride, columns, count, target, offset);
        else if (now == 3)
            row_tiles<V, 3>(first, last, stride, weight_stride, columns, count, target, offset);
        else if (now == 2)
            row_tiles<V, 2>(first, last, stride, weight_stride, columns, count, target, offset);
        else
            row_tiles<V, 1>(first, last, stride, weight_stride, columns, count, target, offset);
        done += now;
    }
}

}  // namespace detail

}  // namespace saddle
