#pragma once
#include "saddle/backend/cuda/kernels/trunk_tensor.cuh"

/// A small network's first layers in one kernel a direction: a block holds all their weights and the activations of a few lanes in shared
/// memory.
namespace saddle::cuda {

/// Threads of a block, and layers that a table has room for.
inline constexpr unsigned trunk_threads = 256;
inline constexpr int most_trunk_layers = 10;

enum class trunk_kind : std::uint8_t { convolution, scale, max_pool, average_pool };

/// One layer, as the kernel of one direction walks it.
struct trunk_layer {
    trunk_kind kind{};
    bool relu = false;                        ///< of its output
    bool tensor = false;                      ///< a convolution on tensor cores, its weights swizzled
    convolution_shape shape{};                ///< forward or backward
    pool_shape pool{};                        ///< of the forward pass
    const float* weight = nullptr;            ///< packed for the direction; the factors of a scale
    const float* bias = nullptr;              ///< [outputs]; the addends of a scale; may be null for a convolution
    int weight_at = 0, weight_count = 0;      ///< floats of shared memory
    int inputs = 0, outputs = 0, pixels = 1;  ///< values of a lane before and after; pixels of a scale's channel
    int mask_at = 0;                          ///< first word of the ReLU's marks
    int winner_at = 0;                        ///< first of the pool's winners
};

/// Layers in order, and how a block's shared memory is cut: weights, values of even and of odd tensors, marks, winners.
struct trunk_table {
    trunk_layer at[most_trunk_layers];
    int count = 0, lanes = 1;                                 ///< layers; lanes of a block
    int even_at = 0, odd_at = 0, mark_at = 0, winner_at = 0;  ///< floats
    int words = 0, winners = 0;                               ///< of a lane
};

/// What the forward pass leaves for the backward pass: a bit for each output of a ReLU that is > 0 [words][lanes], and which value
/// of its window each max-pool's output is, in row order [outputs][lanes].
struct trunk_marks {
    std::uint32_t* words = nullptr;
    std::uint8_t* winners = nullptr;
};

/// What both directions share: the block's lanes and the parts of its shared memory.
template <int Lanes>
struct trunk_block {
    const trunk_table& t;
    float* shared;
    int first, lanes;  ///< first lane of the block; lanes of the batch

    __device__ trunk_block(const trunk_table& table, int all)
        : t(table), shared(shared_memory<float>()), first(static_cast<int>(blockIdx.x) * table.lanes), lanes(all) {}
    [[nodiscard]] __device__ float* tensor(int i) const { return shared + (i % 2 == 0 ? t.even_at : t.odd_at); }
    [[nodiscard]] __device__ std::size_t at(int value, int lane) const {
        return static_cast<std::size_t>(value) * lanes + first + lane;
    }
    /// f(i, lane) for i < count and the block's packs of lanes, spread over its threads.
    template <class F>
    __device__ void each(int count, const F& f) const {
        const int packs = t.lanes / Lanes;
        for (int i = static_cast<int>(threadIdx.x); i < count * packs; i += static_cast<int>(blockDim.x))
            f(i / packs, i % packs * Lanes);
    }
    template <int N = Lanes>
    [[nodiscard]] __device__ lane_pack<N>& pack(float* tensor, int value, int lane) const {
        return *reinterpret_cast<lane_pack<N>*>(tensor + value * t.lanes + lane);
    }
    __device__ void load(const float* from, float* to, int count) const {
        each(count, [&](int v, int lane) { pack(to, v, lane) = *reinterpret_cast<const lane_pack<Lanes>*>(from + at(v, lane)); });
    }
    /// Starts copies of all weights; they have come when the block has passed arrive().
    __device__ void fetch_weights() const {
        for (int j = 0; j < t.count; ++j) {
            const trunk_layer& layer = t.at[j];
            const int columns = layer.shape.columns;
            for (int i = static_cast<int>(threadIdx.x) * 4; i < layer.weight_count; i += static_cast<int>(blockDim.x) * 4) {
                const int row = i / columns, column = i % columns;
                const int to = layer.tensor ? row * columns + swizzled_column(columns, row % layer.shape.inputs, column) : i;
                copy_async_16(shared + layer.weight_at + to, layer.weight + i, true);
            }
        }
        copy_async_commit();
    }
    __device__ static void arrive() {
        copy_async_wait<0>();
        __syncthreads();
    }
};

/// One layer in either direction, from x to `count` values of a lane, which `leave(value, lane, pack)` takes: shift(v, channel) is what is
/// left of a convolution's sum, scale(v, channel) of a scale's input; pool(max, value, lane) makes and leaves a pool's.
template <int Lanes, class Shift, class Scale, class Pool, class Leave>
__device__ void run_layer(const trunk_layer& layer, int count, const float* x, const trunk_block<Lanes>& b, const Shift& shift,
                          const Scale& scale, const Pool& pool, const Leave& leave) {
    const auto store = [&]<int N>(int channel, int pixel, int lane, lane_pack<N> v) {
        for (float& each : v.at) each = shift(each, channel);
        leave(channel * layer.shape.height * layer.shape.width + pixel, lane, v);
    };
    switch (layer.kind) {
    case trunk_kind::convolution:
        if (layer.tensor)
            convolve_tensor(layer.shape, x, b.shared + layer.weight_at, b.t.lanes, store);
        else
            convolve<Lanes>(layer.shape, x, b.shared + layer.weight_at, b.t.lanes, store);
        break;
    case trunk_kind::scale:
        b.each(count, [&](int value, int lane) {
            auto v = *reinterpret_cast<const lane_pack<Lanes>*>(x + value * b.t.lanes + lane);
            for (float& each : v.at) each = scale(each, value / layer.pixels);
            leave(value, lane, v);
        });
        break;
    case trunk_kind::max_pool:
        b.each(count, [&](int value, int lane) { pool(std::true_type{}, value, lane); });
        break;
    case trunk_kind::average_pool:
        b.each(count, [&](int value, int lane) { pool(std::false_type{}, value, lane); });
        break;
    }
}

/// Input [inputs][lanes] to features [outputs][lanes] of the last layer, and the marks. A block has table.lanes lanes.
template <int Lanes>
__global__ void __launch_bounds__(trunk_threads, 2)
    trunk_forward(trunk_table table, const float* input, float* features, trunk_marks marks, int lanes) {
    const trunk_block<Lanes> b(table, lanes);
    b.fetch_weights();
    b.load(input, b.tensor(0), table.at[0].inputs);
    b.arrive();
    for (int j = 0; j < table.count; ++j) {
        const trunk_layer& layer = table.at[j];
        const float* const x = b.tensor(j);
        float* const y = b.tensor(j + 1);
        const auto finish = [&]<int N>(int value, int lane, lane_pack<N> v) {
            for (float& each : v.at) each = layer.relu && each < 0 ? 0 : each;
            b.template pack<N>(y, value, lane) = v;
        };
        const auto pool = [&]<bool Max>(std::bool_constant<Max>, int out, int lane) {
            std::uint8_t winner[Lanes];
            finish(out, lane, pool_value<Lanes, Max>(layer.pool, x, table.lanes, out, lane, winner));
            if (Max)
                for (int l = 0; l < Lanes; ++l) marks.winners[b.at(layer.winner_at + out, lane + l)] = winner[l];
        };
        run_layer(
            layer, layer.outputs, x, b, [&](float v, int channel) { return layer.bias ? v + layer.bias[channel] : v; },
            [&](float v, int channel) { return fmaf(v, layer.weight[channel], layer.bias[channel]); }, pool, finish);
        __syncthreads();
        if (!layer.relu) continue;
        for (int i = static_cast<int>(threadIdx.x); i < (layer.outputs + 31) / 32 * table.lanes;
             i += static_cast<int>(blockDim.x)) {
            const int word = i / table.lanes, lane = i % table.lanes;
            std::uint32_t bits = 0;
            for (int k = 0; k < 32 && word * 32 + k < layer.outputs; ++k)
                bits |= std::uint32_t{y[(word * 32 + k) * table.lanes + lane] > 0} << k;
            marks.words[b.at(layer.mask_at + word, lane)] = bits;
        }
    }
    const float* const last = b.tensor(table.count);
    b.each(table.at[table.count - 1].outputs, [&](int value, int lane) {
        *reinterpret_cast<lane_pack<Lanes>*>(features + b.at(value, lane)) =
            *reinterpret_cast<const lane_pack<Lanes>*>(last + value * table.lanes + lane);
    });
}

/// From the gradient of the features, where their ReLU's marks have been applied, to that of the input, which `finish` takes.
template <int Lanes, class Finish>
__global__ void __launch_bounds__(trunk_threads, 2)
    trunk_backward(trunk_table table, const float* slopes, trunk_marks marks, Finish finish, int lanes) {
    const trunk_block<Lanes> b(table, lanes);
    auto* const words = reinterpret_cast<std::uint32_t*>(b.shared + table.mark_at);
    auto* const winners = reinterpret_cast<std::uint8_t*>(b.shared + table.winner_at);
    b.fetch_weights();
    b.load(slopes, b.tensor(table.count), table.at[table.count - 1].outputs);
    for (int i = static_cast<int>(threadIdx.x); i < table.words * table.lanes; i += static_cast<int>(blockDim.x))
        words[i] = marks.words[b.at(i / table.lanes, i % table.lanes)];
    for (int i = static_cast<int>(threadIdx.x); i < table.winners * table.lanes; i += static_cast<int>(blockDim.x))
        winners[i] = marks.winners[b.at(i / table.lanes, i % table.lanes)];
    b.arrive();
    for (int j = table.count - 1; j >= 0; --j) {
        const trunk_layer& layer = table.at[j];
        const float* const dy = b.tensor(j + 1);
        float* const dx = b.tensor(j);
        const auto leave = [&]<int N>(int value, int lane, lane_pack<N> v) {
            if (j == 0) {
                const int channel = value / table.at[0].pixels;
                if constexpr (N == 4)
                    finish.finish(b.at(value, lane), channel, four_lanes<float>{v.at[0], v.at[1], v.at[2], v.at[3]});
                else
                    for (int l = 0; l < N; ++l) finish.finish_one(b.at(value, lane + l), channel, v.at[l]);
                return;
            }
            if (table.at[j - 1].relu)
                for (int l = 0; l < N; ++l) {
                    const auto word = words[(table.at[j - 1].mask_at + value / 32) * table.lanes + lane + l];
                    v.at[l] = (word >> value % 32 & 1) != 0 ? v.at[l] : 0;
                }
            b.template pack<N>(dx, value, lane) = v;
        };
        const auto pool = [&]<bool Max>(std::bool_constant<Max>, int in, int lane) {
            leave(in, lane,
                  pool_slope<Lanes, Max>(layer.pool, dy, winners + layer.winner_at * table.lanes, table.lanes, in, lane));
        };
        run_layer(
            layer, layer.inputs, dy, b, [](float v, int) { return v; },
            [&](float v, int channel) { return v * layer.weight[channel]; }, pool, leave);
        __syncthreads();
    }
}

}  // namespace saddle::cuda
