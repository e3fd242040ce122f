#include "saddle/data/cifar.hpp"

#include "data/files.hpp"
#include "io/damage.hpp"
#include "io/says.hpp"

using namespace saddle;

TEST_CASE("CIFAR-10 files are read one after the other", "[data]") {
    const scratch_folder folder;
    put_file(folder / "1", record_bytes(12, 1));
    put_file(folder / "2", record_bytes(3, 1));
    const auto data = read_cifar10({folder / "1", folder / "2"});
    CHECK(data.size() == 15);
    CHECK(data.x.each() == extents{3, 32, 32});
    CHECK(data.y[11] == 1);
    CHECK(data.y[14] == 2);
    CHECK(data.x[11][5] == 16.f / 255);
    CHECK(data.x[14][1024] == static_cast<float>((2 + 1024) % 256) / 255);
    CHECK(data.class_names.size() == 10);
    CHECK(read_cifar10({folder / "1", folder / "2"}, 13) == first(data, 13));
}

TEST_CASE("CIFAR-100 files have a coarse and a fine label", "[data]") {
    const scratch_folder folder;
    auto bytes = record_bytes(2, 2);
    bytes[0] = std::byte{19};
    bytes[1] = std::byte{99};
    put_file(folder / "train.bin", bytes);
    const auto fine = read_cifar100(folder / "train.bin"), coarse = read_cifar100(folder / "train.bin", cifar100_labels::coarse);
    CHECK(fine.y == labels{99, 1});
    CHECK(fine.classes == 100);
    CHECK(coarse.y == labels{19, 1});
    CHECK(coarse.classes == 20);
    CHECK(fine.x == coarse.x);
    CHECK(fine.x[1][0] == 1.f / 255);
}

TEST_CASE("a missing, cut, empty or mislabelled CIFAR file is named", "[data]") {
    const scratch_folder folder;
    auto bytes = record_bytes(2, 1);
    put_file(folder / "good", bytes);
    bytes.pop_back();
    put_file(folder / "cut", bytes);
    put_file(folder / "empty", "");
    bytes = record_bytes(2, 1);
    bytes[3073] = std::byte{10};
    put_file(folder / "label", bytes);
    CHECK_THROWS_AS(read_cifar10({folder / "good", folder / "none"}), io_error);
    CHECK_THROWS_WITH(read_cifar10({folder / "cut"}), says("cut") && says("multiple of 3073") && says("6145"));
    CHECK_THROWS_AS(read_cifar10({folder / "empty"}), data_error);
    CHECK_THROWS_AS(read_cifar10({}), data_error);
    CHECK_THROWS_WITH(read_cifar10({folder / "label"}), says("label of example 1") && says("found 10"));
    CHECK_THROWS_AS(read_cifar100(folder / "good"), io_error);
}

TEST_CASE("a truncated CIFAR file is an error", "[data]") {
    const scratch_folder folder;
    const auto cut =
        read_truncated(folder / "x", record_bytes(2, 1), [](const std::string& path) { (void)read_cifar10({path}); });
    CHECK(cut.accepted == 0);
    CHECK(cut.refused > 300);
}
