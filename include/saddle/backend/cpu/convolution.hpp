#pragma once
#include "saddle/backend/cpu/tap_kernel.hpp"
#include "saddle/nn/plan.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// A convolution as jobs: one forward; backward to the input one per phase of the stride. Weights are OIHW.
struct convolution {
    saddle::window window{};
    std::size_t inputs = 0, outputs = 0;  ///< channels
    tap_job forward;
    struct phase {
        tap_job job;
        std::vector<std::uint32_t> kernel_positions;  ///< of each tap, row * width + column
    };
    std::vector<phase> backward;
    bool dense = false;  ///< the window covers the whole input: every input value is a channel of its own in the backward pass
};

/// True when the window sees the whole, unpadded input once.
[[nodiscard]] inline bool covers_input(const saddle::window& w, extents input) {
    return w.padding == 0 && w.height == input.height && w.width == input.width;
}

/// Extends the borders of the input (for the forward pass) and of the output (for the backward pass) as far as the taps reach.
inline void reserve_borders(const saddle::window& w, layout& input, layout& output) {
    const auto p = static_cast<std::ptrdiff_t>(w.padding), s = static_cast<std::ptrdiff_t>(w.stride);
    const auto kh = static_cast<std::ptrdiff_t>(w.height), kw = static_cast<std::ptrdiff_t>(w.width);
    const auto last = [&](std::size_t n, std::ptrdiff_t k) { return (static_cast<std::ptrdiff_t>(n) - 1) * s - p + k - 1; };
    input.require_border(-p, last(output.shape.height, kh), last(output.shape.width, kw));
    if (covers_input(w, input.shape)) return;
    const auto floor_divide = [&](std::ptrdiff_t a) { return a >= 0 ? a / s : -((-a + s - 1) / s); };
    output.require_border(std::min(floor_divide(p - kh + 1), floor_divide(p - kw + 1)),
                          floor_divide(static_cast<std::ptrdiff_t>(input.shape.height) - 1 + p),
                          floor_divide(static_cast<std::ptrdiff_t>(input.shape.width) - 1 + p));
}

namespace detail {

[[nodiscard]] inline std::vector<std::int32_t> every_channel(const layout& of, std::size_t lanes) {
    std::vector<std::int32_t> offsets(of.shape.channels);
    for (std::size_t c = 0; c < offsets.size(); ++c) offsets[c] = static_cast<std::int32_t>(c * of.channel_stride() * lanes);
    return offsets;
}
[[nodiscard]] inline std::vector<std::int32_t> every_value(const layout& of, std::size_t lanes) {
    std::vector<std::int32_t> offsets;
    for (std::size_t c = 0; c < of.shape.channels; ++c)
        for (std::size_t y = 0; y < of.shape.height; ++y)
            for (std::size_t x = 0; x < of.shape.width; ++x)
                offsets.push_back(
                    static_cast<std::int32_t>(of.position(c, static_cast<std::ptrdiff_t>(y), static_cast<std::ptrdiff_t>(x)) *
                                              static_cast<std::ptrdiff_t>(lanes)));
    return offsets;
}

/// Along one axis: input places grouped by the taps that reach them from inside the output.
///
/// A tap is (position in the kernel, offset of its output place); a place is (input, output place of offset 0). Where edges are few,
/// places of one phase of the stride stay together and read the border's zeros; where they are many, each set of taps is a group.
struct reach {
    struct group {
        std::vector<std::pair<std::size_t, std::ptrdiff_t>> taps;
        std::vector<std::pair<std::ptrdiff_t, std::ptrdiff_t>> places;
    };
    std::vector<group> groups;

    [[gnu::cold]] reach(std::size_t kernel, const saddle::window& w, std::size_t inputs, std::size_t outputs) {
        const auto s = static_cast<std::ptrdiff_t>(w.stride), p = static_cast<std::ptrdiff_t>(w.padding);
        std::size_t all = 0, inside = 0;
        for (const bool split : {false, true}) {
            if (split && static_cast<double>(all) < 1.1 * static_cast<double>(inside)) return;
            groups.clear();
            for (std::ptrdiff_t i = 0; i < static_cast<std::ptrdiff_t>(inputs); ++i) {
                const std::ptrdiff_t phase = (i + p) % s, place = (i + p) / s;
                group g;
                for (std::ptrdiff_t k = phase; k < static_cast<std::ptrdiff_t>(kernel); k += s) {
                    const std::ptrdiff_t offset = -(k - phase) / s;
                    const bool within = place + offset >= 0 && place + offset < static_cast<std::ptrdiff_t>(outputs);
                    if (!split) ++all, inside += within;
                    if (!split || within) g.taps.emplace_back(static_cast<std::size_t>(k), offset);
                }
                const auto same =
                    std::find_if(groups.begin(), groups.end(), [&](const group& other) { return other.taps == g.taps; });
                auto& into = same == groups.end() ? groups.emplace_back(std::move(g)) : *same;
                into.places.emplace_back(i, place);
            }
        }
    }
};

}  // namespace detail

/// Plans a convolution between two layouts for blocks of `lanes` lanes and register tiles of `sums` sums.
[[nodiscard, gnu::cold]] inline convolution plan_convolution(const saddle::window& w, const layout& input, const layout& output,
                                                             std::size_t lanes, std::size_t sums) {
    convolution c;
    c.window = w;
    c.inputs = input.shape.channels;
    c.outputs = output.shape.channels;
    const auto l = static_cast<std::ptrdiff_t>(lanes), s = static_cast<std::ptrdiff_t>(w.stride),
               p = static_cast<std::ptrdiff_t>(w.padding);
    const auto at = [&](const layout& of, std::ptrdiff_t y, std::ptrdiff_t x) {
        return static_cast<std::int32_t>(of.position(0, y, x) * l);
    };

    auto& f = c.forward;
    f.channels = c.inputs;
    f.channel_stride = input.channel_stride() * lanes;
    f.output_channels = detail::every_channel(output, lanes);
    for (std::size_t ky = 0; ky < w.height; ++ky)
        for (std::size_t kx = 0; kx < w.width; ++kx)
            f.taps.push_back(static_cast<std::int32_t>((ky * input.columns() + kx) * lanes));
    for (std::ptrdiff_t y = 0; y < static_cast<std::ptrdiff_t>(output.shape.height); ++y)
        for (std::ptrdiff_t x = 0; x < static_cast<std::ptrdiff_t>(output.shape.width); ++x) {
            f.input_pixels.push_back(at(input, y * s - p, x * s - p));
            f.output_pixels.push_back(at(output, y, x));
        }
    choose_tiles(f, sums);

    c.dense = covers_input(w, input.shape);
    if (c.dense) {
        convolution::phase all;
        all.job.channels = c.outputs;
        all.job.channel_stride = output.channel_stride() * lanes;
        all.job.taps = {0};
        all.job.input_pixels = {at(output, 0, 0)};
        all.job.output_pixels = {0};
        all.job.output_channels = detail::every_value(input, lanes);
        choose_tiles(all.job, sums);
        c.backward.push_back(std::move(all));
        return c;
    }
    const detail::reach rows(w.height, w, input.shape.height, output.shape.height),
        columns(w.width, w, input.shape.width, output.shape.width);
    for (const auto& row : rows.groups)
        for (const auto& column : columns.groups) {
            convolution::phase part;
            auto& job = part.job;
            job.channels = c.outputs;
            job.channel_stride = output.channel_stride() * lanes;
            job.output_channels = detail::every_channel(input, lanes);
            for (const auto& [ky, dy] : row.taps)
                for (auto tap = column.taps.rbegin(); tap != column.taps.rend(); ++tap) {  // from left to right
                    const auto& [kx, dx] = *tap;
                    job.taps.push_back(static_cast<std::int32_t>((dy * static_cast<std::ptrdiff_t>(output.columns()) + dx) * l));
                    part.kernel_positions.push_back(static_cast<std::uint32_t>(ky * w.width + kx));
                }
            job.run = column.taps.size();
            for (const auto& [y, oy] : row.places)
                for (const auto& [x, ox] : column.places) {
                    job.input_pixels.push_back(at(output, oy, ox));
                    job.output_pixels.push_back(at(input, y, x));
                }
            choose_tiles(job, sums);
            c.backward.push_back(std::move(part));
        }
    return c;
}

inline void reserve_weights(convolution& c, std::size_t& used) {
    reserve_weights(c.forward, used);
    for (auto& part : c.backward) reserve_weights(part.job, used);
}

/// Packs the weights [O,I,H,W] for both directions, and the bias; `scale` (per output channel) is a folded batch norm's, or nullptr.
template <class T>
void pack_convolution(const convolution& c, const T* weight, const T* scale, const T* bias, T* pack) {
    const std::size_t area = c.window.height * c.window.width;
    const auto value = [&](std::size_t o, std::size_t i, std::size_t k) {
        const T w = weight[(o * c.inputs + i) * area + k];
        return scale ? w * scale[o] : w;
    };
    pack_weights(c.forward, pack, value);
    std::copy_n(bias, c.outputs, pack + c.forward.bias);
    for (const auto& part : c.backward)
        if (c.dense)
            pack_weights(part.job, pack, [&](std::size_t j, std::size_t o, std::size_t) { return value(o, j / area, j % area); });
        else
            pack_weights(part.job, pack,
                         [&](std::size_t i, std::size_t o, std::size_t t) { return value(o, i, part.kernel_positions[t]); });
}

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
