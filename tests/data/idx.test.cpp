#include "saddle/data/idx.hpp"

#include "data/files.hpp"
#include "io/damage.hpp"
#include "io/says.hpp"

using namespace saddle;

namespace {

const std::vector<std::byte> good_images = idx_bytes(2051, {3, 2, 4}, 24, 256), good_labels = idx_bytes(2049, {3}, 3, 10);

}  // namespace

TEST_CASE("an IDX pair is read with bytes scaled to [0,1]", "[data]") {
    const scratch_folder folder;
    put_file(folder / "x", good_images);
    put_file(folder / "y", good_labels);
    const auto data = read_idx(folder / "x", folder / "y", "name");
    CHECK(data.x.each() == extents{1, 2, 4});
    CHECK(data.y == labels{0, 7, 4});
    CHECK(data.classes == 10);
    CHECK(data.name == "name");
    for (std::size_t i = 0; i < 24; ++i) CHECK(data.x.values()[i] == static_cast<float>(i * 7) / 255.0f);
}

TEST_CASE("a gzip IDX file reads like the plain one", "[data]") {
    const scratch_folder folder;
    put_file(folder / "x", good_images);
    const auto gz = ::gzopen((folder / "x.gz").c_str(), "wb");
    REQUIRE(gz != nullptr);
    REQUIRE(::gzwrite(gz, good_images.data(), static_cast<unsigned>(good_images.size())) == static_cast<int>(good_images.size()));
    REQUIRE(::gzclose(gz) == Z_OK);
    CHECK(read_idx_images(folder / "x.gz") == read_idx_images(folder / "x"));
    const auto packed = read_file(folder / "x.gz");
    const auto cut = read_truncated(folder / "bad", packed, [](const std::string& path) { (void)read_idx_images(path); });
    CHECK(cut.accepted == 0);
}

TEST_CASE("a limit keeps the first examples of an IDX pair", "[data]") {
    const scratch_folder folder;
    put_file(folder / "x", good_images);
    put_file(folder / "y", good_labels);
    CHECK(read_idx(folder / "x", folder / "y", "n", 10, 2) == first(read_idx(folder / "x", folder / "y", "n"), 2));
    CHECK(read_idx(folder / "x", folder / "y", "n", 10, 9).size() == 3);
}

TEST_CASE("IDX files with a wrong magic, size or number are named with what was expected", "[data]") {
    const scratch_folder folder;
    const auto error_of = [&](const std::vector<std::byte>& x, const std::vector<std::byte>& y) {
        put_file(folder / "x", x);
        put_file(folder / "y", y);
        try {
            (void)read_idx(folder / "x", folder / "y");
        } catch (const error& problem) {
            return std::string(problem.what());
        }
        return std::string("no error");
    };
    CHECK(error_of(good_images, good_labels) == "no error");
    CHECK_THAT(error_of(good_labels, good_labels), says("/x") && says("magic"));
    CHECK_THAT(error_of(good_images, good_images), says("/y") && says("magic") && says("2049") && says("2051"));
    CHECK_THAT(error_of(idx_bytes(2051, {3, 2, 4}, 23, 256), good_labels), says("truncated") && says("24") && says("23"));
    CHECK_THAT(error_of(idx_bytes(2051, {3, 2, 4}, 25, 256), good_labels), says("oversized"));
    CHECK_THAT(error_of(idx_bytes(2051, {0, 2, 4}, 0, 256), good_labels), says("at least 1"));
    CHECK_THAT(error_of(idx_bytes(2051, {4294967295u, 4294967295u, 4294967295u}, 24, 256), good_labels), says("2^64"));
    CHECK_THAT(error_of(idx_bytes(2051, {4294967295u, 65535, 4}, 24, 256), good_labels), says("truncated"));
    CHECK_THAT(error_of(good_images, idx_bytes(2049, {2}, 2, 10)), says("labels for the images") && says("expected 3, found 2"));
    CHECK_THAT(error_of(good_images, idx_bytes(2049, {3}, 3, 256)), says("label of example 2") && says("found 14"));
}

TEST_CASE("a missing IDX file is an io_error", "[data]") {
    const scratch_folder folder;
    put_file(folder / "x", good_images);
    CHECK_THROWS_AS(read_idx(folder / "x", folder / "none"), io_error);
    CHECK_THROWS_AS(read_idx(folder / "none", folder / "x"), io_error);
}

TEST_CASE("a damaged IDX file gives an error or images, nothing else", "[data]") {
    const scratch_folder folder;
    const auto read = [](const std::string& path) { (void)read_idx_images(path); };
    const auto cut = read_truncated(folder / "x", good_images, read);
    CHECK(cut.accepted == 0);
    const auto altered = read_altered(folder / "x", good_images, 16, read);
    CHECK(altered.accepted == 0);
    CHECK(altered.refused == 64);
}
