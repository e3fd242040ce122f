#include "saddle/data/stl10.hpp"

#include "data/files.hpp"
#include "io/damage.hpp"
#include "io/says.hpp"

using namespace saddle;

namespace {

constexpr std::size_t image_size = 3 * 96 * 96;

}  // namespace

TEST_CASE("STL-10 planes are stored column by column and come row by row", "[data]") {
    const scratch_folder folder;
    std::vector<std::byte> bytes(2 * image_size);
    bytes[image_size + 96 * 96 + 5 * 96 + 7] = std::byte{255};  // image 1, green, column 5, row 7
    put_file(folder / "X", bytes);
    const auto x = read_stl10_images(folder / "X");
    REQUIRE(x.size() == 2);
    CHECK(x.each() == extents{3, 96, 96});
    CHECK(x[1][96 * 96 + 7 * 96 + 5] == 1.0f);
    CHECK(std::count(x.values().begin(), x.values().end(), 0.0f) == static_cast<std::ptrdiff_t>(2 * image_size - 1));
}

TEST_CASE("STL-10 labels are counted from 1 in the file", "[data]") {
    const scratch_folder folder;
    put_file(folder / "X", std::vector<std::byte>(2 * image_size, std::byte{51}));
    put_file(folder / "y", bytes_of({1, 10}));
    const auto data = read_stl10(folder / "X", folder / "y");
    CHECK(data.y == labels{0, 9});
    CHECK(data.x[0][0] == 51.f / 255);
    CHECK(data.class_names.size() == 10);
    CHECK(read_stl10(folder / "X", folder / "y", 1) == first(data, 1));
}

TEST_CASE("wrong STL-10 files are named with what was expected", "[data]") {
    const scratch_folder folder;
    put_file(folder / "X", std::vector<std::byte>(2 * image_size));
    put_file(folder / "cut", std::vector<std::byte>(2 * image_size - 1));
    put_file(folder / "empty", "");
    put_file(folder / "zero", bytes_of({1, 0}));
    put_file(folder / "eleven", bytes_of({1, 11}));
    put_file(folder / "three", bytes_of({1, 2, 3}));
    CHECK_THROWS_WITH(read_stl10_images(folder / "cut"), says("multiple of 27648"));
    CHECK_THROWS_AS(read_stl10_images(folder / "empty"), data_error);
    CHECK_THROWS_AS(read_stl10_images(folder / "none"), io_error);
    CHECK_THROWS_WITH(read_stl10(folder / "X", folder / "zero"), says("label of example 1") && says("found 0"));
    CHECK_THROWS_AS(read_stl10(folder / "X", folder / "eleven"), data_error);
    CHECK_THROWS_AS(read_stl10(folder / "X", folder / "three"), shape_error);
    CHECK_THROWS_AS(read_stl10(folder / "X", folder / "empty"), data_error);
}

TEST_CASE("a limit reads the beginning of a large unlabelled file only", "[data]") {
    const scratch_folder folder;
    std::vector<std::byte> one(image_size, std::byte{255});
    put_file(folder / "unlabeled_X.bin", one);
    std::filesystem::resize_file(folder / "unlabeled_X.bin", std::uintmax_t{100'000} * image_size);
    const auto x = read_stl10_images(folder / "unlabeled_X.bin", 2);
    CHECK(x.size() == 2);
    CHECK(x[0][image_size - 1] == 1.0f);
    CHECK(x[1][0] == 0.0f);
}
