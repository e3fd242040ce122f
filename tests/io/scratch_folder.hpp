#pragma once
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <vector>

/// A new folder for the files of one test, removed with everything in it at the end.
class scratch_folder {
public:
    scratch_folder() {
        std::string form = (std::filesystem::temp_directory_path() / "saddle-test-XXXXXX").string();
        if (!::mkdtemp(form.data())) throw std::runtime_error("cannot create " + form);
        path_ = form;
    }
    ~scratch_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    /// The path of a file in the folder.
    [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    [[nodiscard]] std::size_t number_of_files() const {
        std::size_t count = 0;
        for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path_)) ++count;
        return count;
    }

private:
    std::string path_;
};

inline void put_file(const std::string& path, std::span<const std::byte> bytes) {
    std::filesystem::remove(path);  // some file systems write a truncated file to the disk at once
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

inline void put_file(const std::string& path, const std::string& content) { put_file(path, std::as_bytes(std::span(content))); }

/// Bytes from numbers 0 to 255.
[[nodiscard]] inline std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
    std::vector<std::byte> bytes;
    for (const int v : values) bytes.push_back(static_cast<std::byte>(v));
    return bytes;
}
