#pragma once
#include "saddle/core/philox.hpp"
#include "saddle/core/shape.hpp"

#include <algorithm>
#include <span>

namespace saddle {

/// Training augmentation: a crop at a random place of the image padded with zeros on all sides, mirrored left to right with
/// probability 1/2 where `flip` is set (He et al. 2016, "Deep residual learning", §4.2). No padding and no flip: the image
/// itself.
struct crop_flip {
    /// Pixels added on each side.
    std::size_t padding = 4;
    bool flip = true;

    /// Writes the augmented image [C,H,W] to `out`, which must not overlap `in`. A pure function of (seed, epoch, example id).
    /// Throws shape_error when a span does not fit `each`, invalid_argument for a padding above 2^20.
    void apply(std::span<const float> in, std::span<float> out, extents each, std::uint64_t example_id, std::uint32_t epoch,
               std::uint64_t seed) const {
        require<shape_error>(in.size() == each.size() && out.size() == each.size(), "crop_flip",
                             text("values of an image ", each), each.size(), text(in.size(), " in, ", out.size(), " out"));
        require(padding <= std::size_t{1} << 20, "crop_flip", "padding", "at most 1048576", padding);
        const random_stream stream({.seed = seed, .purpose = purpose::augmentation, .epoch = epoch});
        const auto places = static_cast<std::uint32_t>(2 * padding + 1);
        const std::size_t down = stream.below(places, example_id, 0), right = stream.below(places, example_id, 1);
        const bool mirror = flip && (stream.bits(example_id, 2) & 1u) != 0;
        for (std::size_t c = 0; c < each.channels; ++c)
            for (std::size_t h = 0; h < each.height; ++h) {
                float* row = out.data() + (c * each.height + h) * each.width;
                const std::size_t from = h + down;  // in padded coordinates
                if (from < padding || from - padding >= each.height) {
                    std::fill_n(row, each.width, 0.0f);
                    continue;
                }
                const float* source = in.data() + (c * each.height + from - padding) * each.width;
                for (std::size_t w = 0; w < each.width; ++w) {
                    const std::size_t column = w + right;
                    const float value = column < padding || column - padding >= each.width ? 0.0f : source[column - padding];
                    row[mirror ? each.width - 1 - w : w] = value;
                }
            }
    }
};

}  // namespace saddle
