#include "saddle/backend/cpu/tap_kernel.hpp"

#include "support/catch.hpp"

#include <set>

using namespace saddle;

TEST_CASE("register tiles cover every channel and pixel once, in the sizes that are compiled", "[cpu]") {
    for (const std::size_t sums : {12u, 24u})
        for (std::size_t channels = 1; channels <= 40; ++channels)
            for (std::size_t pixels = 1; pixels <= 40; ++pixels) {
                cpu_backend::tap_job job;
                job.channels = 1;
                job.taps = {0};
                job.output_channels.resize(channels);
                job.output_pixels.resize(pixels);
                choose_tiles(job, sums);
                std::size_t next_channel = 0, next_pixel = 0, widest = 0, tallest = 0;
                for (const auto& tile : job.channel_tiles) {
                    CHECK(tile.first == next_channel);
                    CHECK((std::set{1u, 3u, 4u, 8u, 16u}.count(tile.count) == 1 || (tile.count == 2 && pixels == 1)));
                    next_channel += tile.count;
                    widest = std::max<std::size_t>(widest, tile.count);
                }
                for (const auto& tile : job.pixel_tiles) {
                    CHECK(tile.first == next_pixel);
                    CHECK(std::set{1u, 2u, 3u, 4u, 6u, 8u}.count(tile.count) == 1);
                    next_pixel += tile.count;
                    tallest = std::max<std::size_t>(tallest, tile.count);
                }
                CHECK(next_channel == channels);
                CHECK(next_pixel == pixels);
                CHECK(widest * tallest <= sums);
            }
}

TEST_CASE("one output channel's tiles end with the row, and sums that share inputs have the bits of those that do not", "[cpu]") {
    using V = lanes<float>;
    constexpr std::size_t l = V::size, rows = 5, columns = 23, channels = 3, wide = columns + 2, tall = rows + 2;
    cpu_backend::tap_job job;
    job.channels = channels;
    job.channel_stride = tall * wide * l;
    job.output_channels = {0};
    for (std::size_t y = 0; y < 3; ++y)
        for (std::size_t x = 0; x < 3; ++x) job.taps.push_back(static_cast<std::int32_t>((y * wide + x) * l));
    for (std::size_t y = 0; y < rows; ++y)
        for (std::size_t x = 0; x < columns; ++x) {
            job.input_pixels.push_back(static_cast<std::int32_t>((y * wide + x) * l));
            job.output_pixels.push_back(static_cast<std::int32_t>((y * columns + x) * l));
        }
    auto shared = job;
    shared.run = 3;
    const auto sums = [&](cpu_backend::tap_job& j) {
        choose_tiles(j, cpu_backend::tile_sums<V>);
        lane_vector<float> in(channels * tall * wide * l), out(rows * columns * l), weights(j.depth());
        for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i * 2654435761U % 1000) / 1000.F;
        for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i * 40503U % 100) / 100.F - .5F;
        const float bias = .25F;
        cpu_backend::run_job<V>(j, in.data(), weights.data(), &bias, cpu_backend::epilogue<float>{.output = out.data()});
        return out;
    };
    CHECK(sums(shared) == sums(job));
    CHECK_FALSE(job.in_rows());
    CHECK(shared.in_rows());
    for (const auto& tile : shared.pixel_tiles) CHECK(tile.first / columns == (tile.first + tile.count - 1) / columns);
}
