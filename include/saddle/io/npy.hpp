#pragma once
#include "saddle/io/elements.hpp"

#include <charconv>

namespace saddle {

/// An array of a .npy file: C order, little-endian; the type is named as in .safetensors ("F32", "U8", "I64", ...).
struct npy_array {
    std::vector<std::size_t> dimensions;
    std::string type;
    std::vector<std::byte> bytes;

    friend bool operator==(const npy_array&, const npy_array&) = default;
};

/// The values as T (float, double or an integer). Throws like convert_elements.
template <class T>
[[nodiscard]] std::vector<T> values_as(const npy_array& array) {
    return convert_elements<T>(array.type, array.bytes, "npy array");
}

/// An array of `values` in C order. Throws shape_error unless the dimensions multiply to the number of values.
template <class T>
[[nodiscard]] npy_array make_npy(std::vector<std::size_t> dimensions, std::span<const T> values) {
    require<shape_error>(detail::size_in_bytes(dimensions, sizeof(T), "make_npy") == values.size_bytes(), "make_npy",
                         "number of values", "the product of the dimensions", values.size());
    const auto bytes = std::as_bytes(values);
    return {std::move(dimensions), std::string(element_type<T>()), {bytes.begin(), bytes.end()}};
}

namespace detail {

struct npy_type {
    std::string_view descr, type;
};
inline constexpr npy_type npy_types[] = {{"|b1", "BOOL"}, {"|u1", "U8"},  {"|i1", "I8"},  {"<f2", "F16"},
                                         {"<f4", "F32"},  {"<f8", "F64"}, {"<u2", "U16"}, {"<i2", "I16"},
                                         {"<u4", "U32"},  {"<i4", "I32"}, {"<u8", "U64"}, {"<i8", "I64"}};

/// Reads the header, a Python dictionary of three known keys, from left to right.
class npy_header_reader {
public:
    npy_header_reader(std::string_view header, const std::string& path) : rest_(header), path_(path) {}

    [[gnu::cold]] npy_array read() {
        npy_array out;
        bool descr = false, order = false, shape = false;
        expect('{');
        while (!accept('}')) {
            const auto key = quoted();
            expect(':');
            if (key == "descr" && !descr) {
                descr = true;
                out.type = type_of(quoted());
            } else if (key == "fortran_order" && !order) {
                order = true;
                if (word("True"))
                    throw io_error(
                        text(path_, ": the array is in Fortran order; expected C order (save numpy.ascontiguousarray(array))"));
                if (!word("False")) fail("True or False");
            } else if (key == "shape" && !shape) {
                shape = true;
                out.dimensions = tuple();
            } else {
                fail("each of the keys descr, fortran_order and shape once");
            }
            if (!accept(',')) {
                expect('}');
                break;
            }
        }
        skip();
        if (!descr || !order || !shape || !rest_.empty()) fail("the keys descr, fortran_order and shape and nothing more");
        return out;
    }

private:
    [[noreturn]] void fail(std::string_view expected) const {
        throw io_error(text(path_, ": npy header; expected ", expected, ", found '", rest_.substr(0, 20), "'"));
    }
    void skip() {
        while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) rest_.remove_prefix(1);
    }
    bool word(std::string_view w) {
        skip();
        if (rest_.substr(0, w.size()) != w) return false;
        rest_.remove_prefix(w.size());
        return true;
    }
    bool accept(char c) { return word(std::string_view(&c, 1)); }
    void expect(char c) {
        if (!accept(c)) fail(text('\'', c, '\''));
    }
    std::string_view quoted() {
        const char quote = accept('\'') ? '\'' : '"';
        if (quote == '"') expect('"');
        const auto end = rest_.find(quote);
        if (end == std::string_view::npos) fail("a closing quote");
        const auto inside = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        return inside;
    }
    std::vector<std::size_t> tuple() {
        std::vector<std::size_t> sizes;
        expect('(');
        while (!accept(')')) {
            skip();
            std::size_t value = 0;
            const auto [end, code] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
            if (code != std::errc{}) fail("a size");
            rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
            sizes.push_back(value);
            if (!accept(',')) {
                expect(')');
                break;
            }
        }
        return sizes;
    }
    std::string type_of(std::string_view descr) const {
        for (const auto& t : npy_types)
            if (t.descr == descr) return std::string(t.type);
        throw io_error(text(
            path_, ": npy element type; expected little-endian |b1, |u1, |i1, <f2, <f4, <f8, <u2 to <u8 or <i2 to <i8, found '",
            descr, "'"));
    }

    std::string_view rest_;
    const std::string& path_;
};

}  // namespace detail

/// Reads a .npy file of format 1, 2 or 3 (numpy.lib.format). With `first` given, keeps at most that many entries of the first
/// dimension and reads no more. Throws io_error when the file is malformed, truncated, has bytes left over, is in Fortran order
/// or big-endian.
[[nodiscard, gnu::cold]] inline npy_array read_npy(const std::string& path, std::size_t first = static_cast<std::size_t>(-1)) {
    input_file file(path);
    unsigned char magic[8] = {};
    require<io_error>(file.size() >= 10, path, "size of an npy file", "at least 10 bytes", file.size());
    file.read(std::as_writable_bytes(std::span(magic)));
    require<io_error>(std::memcmp(magic, "\x93NUMPY", 6) == 0, path, "magic of an npy file", "\\x93NUMPY", "other bytes");
    require<io_error>(magic[6] >= 1 && magic[6] <= 3, path, "version of the npy format", "1 to 3", int{magic[6]});
    std::uint32_t length = 0;
    const std::size_t length_bytes = magic[6] == 1 ? 2 : 4;
    file.read(std::as_writable_bytes(std::span(&length, 1)).first(length_bytes));
    const std::size_t start = 8 + length_bytes + length;
    require<io_error>(length <= 1'000'000 && start <= file.size(), path, "header length",
                      text("at most 1000000 and the rest of ", file.size(), " bytes"), length);
    std::string header(length, '\0');
    file.read(std::as_writable_bytes(std::span(header)));
    auto array = detail::npy_header_reader(header, path).read();
    const std::size_t expected = detail::size_in_bytes(array.dimensions, element_size(array.type), path);
    require<io_error>(file.size() - start == expected, path, "bytes of data for its shape", expected, file.size() - start);
    std::size_t wanted = expected;
    if (!array.dimensions.empty() && first < array.dimensions[0]) {
        wanted = expected / array.dimensions[0] * first;
        array.dimensions[0] = first;
    }
    array.bytes = detail::allocate<std::byte>(wanted, path);
    file.read(array.bytes);
    return array;
}

/// Writes a .npy file of format 1, atomically. Throws shape_error for bytes that do not fit the dimensions, invalid_argument for
/// a type that numpy does not have, and io_error.
[[gnu::cold]] inline void write_npy(const std::string& path, const npy_array& array) {
    std::string_view descr;
    for (const auto& t : detail::npy_types)
        if (t.type == array.type) descr = t.descr;
    require(!descr.empty(), "write_npy", "element type", "one that numpy has", array.type);
    const std::size_t expected = detail::size_in_bytes(array.dimensions, element_size(array.type), path);
    require<shape_error>(array.bytes.size() == expected, "write_npy", "bytes of data for its shape", expected,
                         array.bytes.size());
    std::string header = text("{'descr': '", descr, "', 'fortran_order': False, 'shape': (");
    for (std::size_t i = 0; i < array.dimensions.size(); ++i) header += (i > 0 ? ", " : "") + std::to_string(array.dimensions[i]);
    header += array.dimensions.size() == 1 ? ",), }" : "), }";
    while ((10 + header.size() + 1) % 64 != 0) header += ' ';  // the data starts at a multiple of 64
    header += '\n';
    require(header.size() < 65536, "write_npy", "number of dimensions", "fewer", array.dimensions.size());
    const char lead[] = {
        '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
    atomic_file out(path);
    out.write(std::as_bytes(std::span(lead)));
    out.write(std::as_bytes(std::span(header)));
    out.write(array.bytes);
    out.commit();
}

}  // namespace saddle
