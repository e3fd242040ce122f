#include "saddle/io/file.hpp"

#include "io/says.hpp"
#include "io/scratch_folder.hpp"

#include <csignal>
#include <sys/resource.h>

using namespace saddle;

namespace {

/// While it lives, no file can grow beyond `bytes`: what a full disk looks like to a writer.
class file_size_limit {
public:
    explicit file_size_limit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &old_);
        const rlimit tight{bytes, old_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &tight);
    }
    ~file_size_limit() {
        ::setrlimit(RLIMIT_FSIZE, &old_);
        std::signal(SIGXFSZ, old_handler_);
    }
    file_size_limit(const file_size_limit&) = delete;
    file_size_limit& operator=(const file_size_limit&) = delete;

private:
    rlimit old_{};
    void (*old_handler_)(int);
};

}  // namespace

TEST_CASE("read_file returns every byte of a file", "[io]") {
    const scratch_folder folder;
    const auto bytes = bytes_of({0, 10, 13, 26, 255});
    put_file(folder / "a", bytes);
    CHECK(read_file(folder / "a") == bytes);
    put_file(folder / "empty", "");
    CHECK(read_file(folder / "empty").empty());
}

TEST_CASE("read_file names a missing file, a folder and a device", "[io]") {
    const scratch_folder folder;
    CHECK_THROWS_AS(read_file(folder / "none"), io_error);
    CHECK_THROWS_WITH(read_file(folder / "none"), says("none") && says("No such file"));
    CHECK_THROWS_WITH(read_file(folder.path()), says("found a folder"));
    CHECK_THROWS_WITH(read_file("/dev/null"), says("expected a regular file"));
    put_file(folder / "a", "x");
    CHECK_THROWS_AS(read_file(folder / "a/b"), io_error);
}

TEST_CASE("read_file refuses a file above its limit", "[io]") {
    const scratch_folder folder;
    put_file(folder / "a", "12345");
    CHECK(read_file(folder / "a", 5).size() == 5);
    CHECK_THROWS_AS(read_file(folder / "a", 4), io_error);
}

TEST_CASE("input_file reports bytes that are not there", "[io]") {
    const scratch_folder folder;
    put_file(folder / "a", "12345");
    input_file file(folder / "a");
    std::vector<std::byte> three(3);
    file.read(three);
    CHECK_THROWS_WITH(file.read(three), says("truncated"));
}

TEST_CASE("write_file_atomically creates and replaces a file and leaves nothing else", "[io]") {
    const scratch_folder folder;
    write_file_atomically(folder / "a", "first");
    CHECK(read_text(folder / "a") == "first");
    write_file_atomically(folder / "a", "2nd");
    CHECK(read_text(folder / "a") == "2nd");
    CHECK(folder.number_of_files() == 1);
}

TEST_CASE("a replaced file keeps its permissions and a link still points to it", "[io]") {
    const scratch_folder folder;
    put_file(folder / "real", "old");
    REQUIRE(::chmod((folder / "real").c_str(), 0640) == 0);
    std::filesystem::create_symlink("real", folder / "link");
    write_file_atomically(folder / "link", "new");
    CHECK(read_text(folder / "real") == "new");
    CHECK(std::filesystem::is_symlink(folder / "link"));
    CHECK(std::filesystem::status(folder / "real").permissions() == std::filesystem::perms(0640));
}

TEST_CASE("a full disk is an error, keeps the old file and leaves nothing half-written", "[io]") {
    const scratch_folder folder;
    put_file(folder / "a", "old");
    const std::string large(100'000, 'x');
    {
        const file_size_limit limit(4096);
        CHECK_THROWS_AS(write_file_atomically(folder / "a", large), io_error);
        CHECK_THROWS_AS(write_file_atomically(folder / "b", large), io_error);
    }
    CHECK(read_text(folder / "a") == "old");
    CHECK(folder.number_of_files() == 1);
}

TEST_CASE("writing to a full device is an error and the device stays one", "[io]") {
    REQUIRE(std::filesystem::is_character_file("/dev/full"));
    CHECK_THROWS_WITH(write_file_atomically("/dev/full", "x"), says("No space left"));
    CHECK(std::filesystem::is_character_file("/dev/full"));
}

TEST_CASE("writing into a missing folder or over a folder is an error", "[io]") {
    const scratch_folder folder;
    CHECK_THROWS_AS(write_file_atomically(folder / "none/a", "x"), io_error);
    CHECK_THROWS_WITH(write_file_atomically(folder.path(), "x"), says("it is a folder"));
    CHECK(folder.number_of_files() == 0);
}

TEST_CASE("an atomic_file that is not committed changes nothing", "[io]") {
    const scratch_folder folder;
    put_file(folder / "a", "old");
    {
        atomic_file file(folder / "a");
        file.write(bytes_of({1, 2, 3}));
        CHECK(folder.number_of_files() == 2);
    }
    CHECK(read_text(folder / "a") == "old");
    CHECK(folder.number_of_files() == 1);
}
