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
