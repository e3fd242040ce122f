#include "saddle/data/npy_dataset.hpp"

#include "io/says.hpp"
#include "io/scratch_folder.hpp"

using namespace saddle;

namespace {

template <class T>
std::string npy(const scratch_folder& folder, const std::string& name, std::vector<std::size_t> dimensions,
                const std::vector<T>& values) {
    write_npy(folder / name, make_npy<T>(std::move(dimensions), values));
    return folder / name;
}

std::vector<float> ramp(std::size_t count) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i) / static_cast<float>(count);
    return values;
}

}  // namespace

TEST_CASE("unsigned bytes are scaled, floating point is taken as it is", "[data]") {
    const scratch_folder folder;
    const auto bytes = read_npy_images(npy<std::uint8_t>(folder, "u", {1, 1, 3}, {0, 51, 255}));
    CHECK(bytes.each() == extents{1, 1, 3});
    CHECK(bytes.values()[1] == 51.f / 255);
    CHECK(bytes.values()[2] == 1);
    const auto reals = read_npy_images(npy<double>(folder, "d", {1, 1, 3}, {0, .25, 1}));
    CHECK(reals.values()[1] == .25f);
}

TEST_CASE("the channel axis is found where it is plain", "[data]") {
    const scratch_folder folder;
    const auto values = ramp(2 * 4 * 5 * 3);
    const auto last = read_npy_images(npy<float>(folder, "nhwc", {2, 4, 5, 3}, values));
    CHECK(last.each() == extents{3, 4, 5});
    CHECK(last[1][2 * 20 + 7] == values[60 + 7 * 3 + 2]);
    const auto first = read_npy_images(npy<float>(folder, "nchw", {2, 3, 4, 5}, values));
    CHECK(first.each() == extents{3, 4, 5});
    CHECK(first[1][2 * 20 + 7] == values[60 + 2 * 20 + 7]);
}

TEST_CASE("an ambiguous channel axis must be named", "[data]") {
    const scratch_folder folder;
    for (const std::vector<std::size_t>& dimensions : {std::vector<std::size_t>{2, 3, 5, 3}, {5, 2, 3, 3}, {3, 2, 5, 3}})
        if (dimensions[1] == 3)
            CHECK_THROWS_WITH(read_npy_images(npy<float>(folder, "a", dimensions, ramp(90))), says("ambiguous"));
    const auto path = npy<float>(folder, "b", {1, 2, 3, 4}, ramp(24));
    CHECK_THROWS_AS(read_npy_images(path), invalid_argument);
    CHECK(read_npy_images(path, image_layout::channels_first).each() == extents{2, 3, 4});
    CHECK(read_npy_images(path, image_layout::channels_last).each() == extents{4, 2, 3});
}

TEST_CASE("pixels that are NaN or outside [0,1] are a data_error", "[data]") {
    const scratch_folder folder;
    for (const float bad : {NAN, -.1f, 1.5f, 255.f})
        CHECK_THROWS_WITH(read_npy_images(npy<float>(folder, "a", {2, 1, 2}, {0, 0, 1, bad})), says("image 1, element 1"));
}

TEST_CASE("arrays that hold no images or labels are refused", "[data]") {
    const scratch_folder folder;
    CHECK_THROWS_WITH(read_npy_images(npy<float>(folder, "a", {4}, ramp(4))), says("3 or 4"));
    CHECK_THROWS_WITH(read_npy_images(npy<std::int32_t>(folder, "a", {1, 1, 2}, {0, 1})), says("element type") && says("I32"));
    CHECK_THROWS_AS(read_npy_images(npy<float>(folder, "a", {0, 2, 2}, {})), data_error);
    CHECK_THROWS_AS(read_npy_labels(npy<std::int64_t>(folder, "a", {0}, {})), data_error);
    CHECK_THROWS_AS(read_npy_labels(npy<float>(folder, "a", {2}, {0, 1})), io_error);
    CHECK_THROWS_AS(read_npy_labels(npy<std::int64_t>(folder, "a", {2, 2}, {0, 1, 0, 1})), io_error);
    CHECK_THROWS_WITH(read_npy_labels(npy<std::int64_t>(folder, "a", {2}, {0, -1})), says("label of example 1") && says("-1"));
    CHECK_THROWS_AS(read_npy_labels(npy<std::int64_t>(folder, "a", {2}, {0, std::int64_t{1} << 40})), data_error);
}

TEST_CASE("a pair of npy files makes a data set", "[data]") {
    const scratch_folder folder;
    const auto x = npy<float>(folder, "x", {3, 2, 2}, ramp(12));
    const auto y = npy<std::int64_t>(folder, "y", {3, 1}, {4, 0, 2});
    const auto data = read_npy_dataset(x, y);
    CHECK(data.y == labels{4, 0, 2});
    CHECK(data.classes == 5);
    CHECK(read_npy_dataset(x, y, "npy", 10).classes == 10);
    CHECK(read_npy_dataset(x, y, "npy", 5, image_layout::automatic, 2) == first(data, 2));
    CHECK_THROWS_AS(read_npy_dataset(x, y, "npy", 4), data_error);
    CHECK_THROWS_AS(read_npy_dataset(x, npy<std::int64_t>(folder, "z", {2}, {0, 1})), shape_error);
}
