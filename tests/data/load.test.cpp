#include "saddle/data/load.hpp"

#include "data/files.hpp"
#include "io/says.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

void put_mnist(const std::string& folder) {
    std::filesystem::create_directories(folder);
    put_file(folder + "/train-images-idx3-ubyte", idx_bytes(2051, {4, 2, 2}, 16, 256));
    put_file(folder + "/train-labels-idx1-ubyte", idx_bytes(2049, {4}, 4, 10));
    put_file(folder + "/t10k-images-idx3-ubyte", idx_bytes(2051, {2, 2, 2}, 8, 256));
    put_file(folder + "/t10k-labels-idx1-ubyte", idx_bytes(2049, {2}, 2, 10));
}

void put_cifar10(const std::string& folder) {
    std::filesystem::create_directories(folder);
    for (int batch = 1; batch <= 5; ++batch)
        put_file(folder + "/data_batch_" + std::to_string(batch) + ".bin", record_bytes(2, 1));
    put_file(folder + "/test_batch.bin", record_bytes(3, 1));
}

}  // namespace

TEST_CASE("load gives the generated set by name", "[data]") {
    const auto data = load("generated", {.train = 30, .test = 20, .seed = 3});
    CHECK(data.train == generated_digits(30, 20, 3).train);
    CHECK(data.test == generated_digits(30, 20, 3).test);
}

TEST_CASE("load recognises MNIST by its files, and Fashion-MNIST by its folder", "[data]") {
    const scratch_folder folder;
    put_mnist(folder / "a");
    put_mnist(folder / "fashion-mnist");
    const auto data = load(folder / "a");
    CHECK(data.train.name == "mnist");
    CHECK(data.train.size() == 4);
    CHECK(data.test.size() == 2);
    CHECK(data.test.class_names[9] == "9");
    CHECK(load(folder / "fashion-mnist").test.class_names[9] == "ankle boot");
}

TEST_CASE("load recognises gzip IDX files", "[data]") {
    const scratch_folder folder;
    put_mnist(folder.path());
    const auto plain = load(folder.path());
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        const auto bytes = read_file(entry.path());
        const auto gz = ::gzopen((entry.path().string() + ".gz").c_str(), "wb");
        REQUIRE(gz != nullptr);
        REQUIRE(::gzwrite(gz, bytes.data(), static_cast<unsigned>(bytes.size())) > 0);
        REQUIRE(::gzclose(gz) == Z_OK);
        std::filesystem::remove(entry.path());
    }
    CHECK(load(folder.path()).train == plain.train);
    CHECK(load(folder.path()).test == plain.test);
}

TEST_CASE("load recognises CIFAR-10, CIFAR-100, STL-10 and npy files", "[data]") {
    const scratch_folder folder;
    put_cifar10(folder / "c10");
    CHECK(load(folder / "c10").train.size() == 10);
    CHECK(load(folder / "c10").test.name == "cifar10");

    std::filesystem::create_directories(folder / "c100");
    put_file(folder / "c100/train.bin", record_bytes(2, 2));
    put_file(folder / "c100/test.bin", record_bytes(1, 2));
    CHECK(load(folder / "c100").train.classes == 100);
    CHECK(load(folder / "c100", {.labels = cifar100_labels::coarse}).train.classes == 20);

    std::filesystem::create_directories(folder / "stl");
    put_file(folder / "stl/test_X.bin", record_bytes(1, 0, 3 * 96 * 96));
    put_file(folder / "stl/test_y.bin", bytes_of({10}));
    CHECK(load(folder / "stl", {.train = 0}).test.y == labels{9});

    std::filesystem::create_directories(folder / "npy");
    for (const std::string part : {"train", "test"}) {
        write_npy(folder / ("npy/" + part + "_images.npy"), make_npy<float>({2, 1, 2}, std::vector<float>{0, .5f, 1, .25f}));
        write_npy(folder / ("npy/" + part + "_labels.npy"),
                  make_npy<std::int32_t>({2}, std::vector<std::int32_t>{0, part == "train" ? 6 : 3}));
    }
    CHECK(load(folder / "npy").train.classes == 7);
    CHECK(load(folder / "npy").test.classes == 7);
}

TEST_CASE("load looks one level down when there is one set, or for the one named", "[data]") {
    const scratch_folder folder;
    put_mnist(folder / "mnist");
    CHECK(load(folder.path()).test.name == "mnist");
    put_cifar10(folder / "cifar10");
    CHECK_THROWS_WITH(load(folder.path()), says("/mnist'") && says("/cifar10'"));
    CHECK(load(folder.path(), {.name = "cifar10"}).test.name == "cifar10");
}

TEST_CASE("load reads only what is asked for", "[data]") {
    const scratch_folder folder;
    put_mnist(folder.path());
    CHECK(load(folder.path(), {.train = 3, .test = 1}).train.size() == 3);
    std::filesystem::remove(folder / "train-labels-idx1-ubyte");
    CHECK_THROWS_WITH(load(folder.path()), says("train-labels-idx1-ubyte"));
    const auto data = load(folder.path(), {.train = 0});
    CHECK(data.train.x.empty());
    CHECK(data.test.size() == 2);
    CHECK_THROWS_AS(load(folder.path(), {.train = 0, .test = 0}), invalid_argument);
}

TEST_CASE("load says what it looked for when it finds nothing", "[data]") {
    const scratch_folder folder;
    CHECK_THROWS_AS(load(folder.path()), io_error);
    CHECK_THROWS_WITH(load(folder.path()), says(folder.path()) && says("train-images-idx3-ubyte") && says("data_batch_1.bin") &&
                                               says("train_X.bin") && says("train_images.npy") && says("fashion-mnist"));
    CHECK_THROWS_WITH(load(folder / "none"), says("not a folder") && says("generated"));
}

TEST_CASE("load refuses two sets in one folder and parts that do not fit", "[data]") {
    const scratch_folder folder;
    put_mnist(folder.path());
    put_cifar10(folder.path());
    CHECK_THROWS_WITH(load(folder.path()), says("a folder of its own"));
    const scratch_folder other;
    put_mnist(other.path());
    put_file(other / "t10k-images-idx3-ubyte", idx_bytes(2051, {2, 4, 1}, 8, 256));
    CHECK_THROWS_AS(load(other.path()), shape_error);
}
