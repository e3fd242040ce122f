#pragma once
#include "saddle/core/error.hpp"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <span>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace saddle {

namespace detail {

[[noreturn]] inline void throw_system(const std::string& what, const std::string& path, int code) {
    throw io_error(text(what, " '", path, "': ", std::generic_category().message(code)));
}

/// Owns a POSIX file descriptor.
class descriptor {
public:
    descriptor() = default;
    explicit descriptor(int value) : value_(value) {}
    descriptor(descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(value_, other.value_);
        return *this;
    }
    ~descriptor() {
        if (value_ >= 0) ::close(value_);
    }
    [[nodiscard]] int get() const { return value_; }
    /// Closes and returns 0 or the error: a network file system may report a failed write only here.
    [[nodiscard]] int close() { return ::close(std::exchange(value_, -1)) == 0 ? 0 : errno; }

private:
    int value_ = -1;
};

/// A vector of `count` elements; a size that does not fit in memory is an io_error that names the file.
template <class T>
[[nodiscard]] std::vector<T> allocate(std::size_t count, const std::string& path) {
    try {
        return std::vector<T>(count);
    } catch (const std::exception&) {
        throw io_error(text("cannot hold '", path, "' in memory: it needs ", count, " elements of ", sizeof(T), " bytes"));
    }
}

}  // namespace detail

/// A regular file opened for reading from front to back. Throws io_error when it is missing, unreadable, a folder or a device.
class input_file {
public:
    explicit input_file(std::string path)
        : path_(std::move(path)), file_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
        if (file_.get() < 0) detail::throw_system("cannot open", path_, errno);
        struct stat status {};
        if (::fstat(file_.get(), &status) != 0) detail::throw_system("cannot examine", path_, errno);
        if (S_ISDIR(status.st_mode)) throw io_error(text("cannot read '", path_, "': expected a file, found a folder"));
        if (!S_ISREG(status.st_mode))
            throw io_error(text("cannot read '", path_, "': expected a regular file, found a device or pipe"));
        size_ = static_cast<std::size_t>(status.st_size);
    }

    [[nodiscard]] const std::string& path() const { return path_; }
    /// Bytes in the file when it was opened.
    [[nodiscard]] std::size_t size() const { return size_; }

    /// Fills `bytes` with the next bytes. Throws io_error when the file ends before.
    void read(std::span<std::byte> bytes) {
        for (std::size_t done = 0; done < bytes.size();) {
            const ssize_t got = ::read(file_.get(), bytes.data() + done, bytes.size() - done);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) detail::throw_system("cannot read", path_, errno);
            require<io_error>(got > 0, path_, "truncated file: bytes wanted at its end", bytes.size(), done);
            done += static_cast<std::size_t>(got);
        }
    }

private:
    std::string path_;
    detail::descriptor file_;
    std::size_t size_ = 0;
};

/// True when `path` names an existing regular file (links are followed).
[[nodiscard, gnu::cold]] inline bool is_file(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

/// True when `path` names an existing folder (links are followed).
[[nodiscard, gnu::cold]] inline bool is_folder(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// The whole file. Throws io_error when it cannot be read or is larger than `limit` bytes.
[[nodiscard]] inline std::vector<std::byte> read_file(const std::string& path, std::size_t limit = std::size_t{1} << 36) {
    input_file file(path);
    require<io_error>(file.size() <= limit, path, "file too large", text("at most ", limit, " bytes"), file.size());
    auto bytes = detail::allocate<std::byte>(file.size(), path);
    file.read(bytes);
    return bytes;
}

/// The whole file as text. Throws like read_file.
[[nodiscard]] inline std::string read_text(const std::string& path, std::size_t limit = std::size_t{1} << 30) {
    const auto bytes = read_file(path, limit);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A file written under a temporary name in the same folder; commit() flushes it to the disk and gives it its name in one step,
/// so a reader sees the old file or the whole new one. Without commit() the temporary file is removed and nothing changes.
/// A link is followed, a replaced file keeps its permissions, and a device or pipe is written directly. Throws io_error for
/// every failed step, a full disk included.
class atomic_file {
public:
    [[gnu::cold]] explicit atomic_file(std::string path) : path_(std::move(path)) {
        struct stat status {};
        const bool exists = ::stat(path_.c_str(), &status) == 0;
        if (exists && S_ISDIR(status.st_mode)) throw io_error(text("cannot write '", path_, "': it is a folder"));
        if (exists && ::access(path_.c_str(), W_OK) != 0) detail::throw_system("cannot write", path_, errno);
        if (exists && !S_ISREG(status.st_mode)) {
            file_ = detail::descriptor(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
            if (file_.get() < 0) detail::throw_system("cannot write", path_, errno);
            return;
        }
        if (exists) follow_links();
        static std::atomic<unsigned> counter{0};
        do {  // a killed process of the same id may have left such a name behind
            temporary_ = text(path_, '.', ::getpid(), '-', counter++, ".part");
            file_ = detail::descriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        } while (file_.get() < 0 && errno == EEXIST);
        if (file_.get() < 0) detail::throw_system("cannot create a file beside", path_, errno);
        if (exists && ::fchmod(file_.get(), status.st_mode & 07777) != 0) discard("cannot set the permissions of", errno);
    }
    ~atomic_file() {
        if (!temporary_.empty()) ::unlink(temporary_.c_str());
    }
    atomic_file(const atomic_file&) = delete;
    atomic_file& operator=(const atomic_file&) = delete;

    /// Appends `bytes`.
    void write(std::span<const std::byte> bytes) {
        for (std::size_t done = 0; done < bytes.size();) {
            const ssize_t put = ::write(file_.get(), bytes.data() + done, bytes.size() - done);
            if (put < 0 && errno == EINTR) continue;
            if (put <= 0) detail::throw_system("cannot write", path_, put < 0 ? errno : EIO);
            done += static_cast<std::size_t>(put);
        }
    }

    /// Puts the file in its place; at most once, nothing may be written afterwards.
    [[gnu::cold]] void commit() {
        const bool direct = temporary_.empty();
        if (!direct && ::fsync(file_.get()) != 0) detail::throw_system("cannot flush", path_, errno);
        if (const int code = file_.close()) detail::throw_system("cannot close", path_, code);
        if (direct) return;
        if (::rename(temporary_.c_str(), path_.c_str()) != 0) detail::throw_system("cannot replace", path_, errno);
        temporary_.clear();
        const auto slash = path_.find_last_of('/');
        const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
        // The content is in place; a folder that cannot be flushed only weakens what a power failure leaves.
        const detail::descriptor handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (handle.get() >= 0) ::fsync(handle.get());
    }

private:
    [[gnu::cold]] void follow_links() {
        char* target = ::realpath(path_.c_str(), nullptr);
        if (!target) detail::throw_system("cannot follow", path_, errno);
        path_ = target;
        std::free(target);
    }
    [[noreturn]] void discard(const std::string& what, int code) {
        ::unlink(temporary_.c_str());
        detail::throw_system(what, path_, code);
    }

    std::string path_, temporary_;
    detail::descriptor file_;
};

/// Replaces the file by `bytes` as a whole or leaves it as it was (see atomic_file). Throws io_error.
inline void write_file_atomically(const std::string& path, std::span<const std::byte> bytes) {
    atomic_file file(path);
    file.write(bytes);
    file.commit();
}

/// The same for text.
inline void write_file_atomically(const std::string& path, std::string_view content) {
    write_file_atomically(path, std::as_bytes(std::span(content)));
}

}  // namespace saddle
