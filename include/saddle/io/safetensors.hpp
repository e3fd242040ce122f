#pragma once
#include "saddle/io/elements.hpp"
#include "saddle/io/safetensors_header.hpp"

namespace saddle {

/// One named array of a .safetensors file: C order, little-endian bytes, type named as in the file ("F32", "F16", "BF16", "I64",
/// ...).
struct tensor_entry {
    std::string name;
    std::vector<std::size_t> dimensions;
    std::string type;
    std::vector<std::byte> bytes;

    friend bool operator==(const tensor_entry&, const tensor_entry&) = default;
};

/// A .safetensors file: tensors in the order of their data, and the free text under "__metadata__".
struct safetensors_file {
    std::vector<tensor_entry> tensors;
    std::map<std::string, std::string> metadata;

    /// The tensor of that name, or nullptr.
    [[nodiscard]] const tensor_entry* find(std::string_view name) const {
        for (const auto& t : tensors)
            if (t.name == name) return &t;
        return nullptr;
    }
};

/// The values of a tensor as T (float, double or an integer). Throws like convert_elements.
template <class T>
[[nodiscard]] std::vector<T> values_as(const tensor_entry& tensor) {
    return convert_elements<T>(tensor.type, tensor.bytes, text("tensor '", tensor.name, "'"));
}

/// A tensor of `values` in C order; its type is T's. Throws shape_error unless the dimensions multiply to the number of values.
template <class T>
[[nodiscard]] tensor_entry make_entry(std::string name, std::vector<std::size_t> dimensions, std::span<const T> values) {
    require<shape_error>(detail::size_in_bytes(dimensions, sizeof(T), name) == values.size_bytes(), text("tensor '", name, "'"),
                         "number of values", "the product of the dimensions", values.size());
    const auto bytes = std::as_bytes(values);
    return {std::move(name), std::move(dimensions), std::string(element_type<T>()), {bytes.begin(), bytes.end()}};
}

namespace detail {

/// A tensor without its data, and where that stands.
[[nodiscard]] inline std::pair<std::pair<std::size_t, std::size_t>, tensor_entry>
place_of(tensor_description&& t, std::size_t data_bytes, const std::string& path) {
    const std::string where = text(path, ": tensor '", t.name, "'");
    const auto present = [&](bool is, std::string_view member) {
        require<io_error>(is, where, text("member '", member, "'"), "a value", "nothing");
    };
    present(t.type.has_value(), "dtype");
    present(t.dimensions.has_value(), "shape");
    present(t.offsets.has_value(), "data_offsets");
    require<io_error>(t.offsets->size() == 2, where, "number of data offsets", 2, t.offsets->size());
    const std::size_t begin = t.offsets->front(), end = t.offsets->back();
    require<io_error>(begin <= end && end <= data_bytes, where, "data offsets", text("a range within 0 to ", data_bytes),
                      text(begin, " to ", end));
    const std::size_t each = element_size(*t.type);
    require<io_error>(each > 0, where, "element type", "BOOL, U8 to U64, I8 to I64, F8_E5M2, F8_E4M3, F16, BF16, F32 or F64",
                      text('\'', *t.type, '\''));
    const std::size_t expected = size_in_bytes(*t.dimensions, each, where);
    require<io_error>(end - begin == expected, where, "bytes of data for its shape", expected, end - begin);
    return {{begin, end}, {std::move(t.name), std::move(*t.dimensions), std::move(*t.type), {}}};
}

}  // namespace detail

/// Reads a .safetensors file (8 bytes header length, JSON header, data; github.com/huggingface/safetensors, format of version
/// 0.4). Throws io_error for every file that the reference reader refuses: wrong lengths or JSON, duplicate names, and tensors
/// that overlap, leave holes, lie outside the file or do not fit their shape.
[[nodiscard, gnu::cold]] inline safetensors_file read_safetensors(const std::string& path) {
    constexpr std::size_t header_limit = 100'000'000;
    input_file file(path);
    require<io_error>(file.size() >= 8, path, "size of a safetensors file", "at least 8 bytes", file.size());
    std::uint64_t length = 0;
    file.read(std::as_writable_bytes(std::span(&length, 1)));
    require<io_error>(length <= std::min(header_limit, file.size() - 8), path, "header length of a .safetensors file",
                      text("at most ", std::min(header_limit, file.size() - 8), " bytes"), length);
    std::string header(length, '\0');
    file.read(std::as_writable_bytes(std::span(header)));
    require<io_error>(header.starts_with('{'), path, "first character of the header", "'{'", "another or none");
    const std::size_t data_bytes = file.size() - 8 - length;
    detail::safetensors_header parsed(header, path);

    std::multimap<std::pair<std::size_t, std::size_t>, tensor_entry> places;
    for (auto& t : parsed.tensors) places.insert(detail::place_of(std::move(t), data_bytes, path));
    safetensors_file result{{}, std::move(parsed.metadata)};
    std::size_t next = 0;
    for (auto& [place, entry] : places) {
        const auto& [begin, end] = place;
        require<io_error>(begin == next, text(path, ": tensor '", entry.name, "'"),
                          begin < next ? "its data overlaps another tensor's; start" : "there is a hole before its data; start",
                          next, begin);
        entry.bytes = detail::allocate<std::byte>(end - begin, path);
        file.read(entry.bytes);
        next = end;
        result.tensors.push_back(std::move(entry));
    }
    require<io_error>(next == data_bytes, path, "bytes of data (the rest belongs to no tensor)", next, data_bytes);
    return result;
}

/// Writes a .safetensors file, atomically, with the tensors' data in the given order. Throws invalid_argument for a name that is
/// empty, reserved, used twice or not UTF-8, shape_error for bytes that do not fit the dimensions, and io_error.
[[gnu::cold]] inline void write_safetensors(const std::string& path, const safetensors_file& file) {
    const auto list = [](const auto& items, const auto& written) {
        std::string all;
        for (const auto& item : items) all += (all.empty() ? "" : ",") + written(item);
        return all;
    };
    std::set<std::string_view> names;
    std::size_t offset = 0;
    std::string json = "{";
    if (!file.metadata.empty())
        json +=
            "\"__metadata__\":{" +
            list(file.metadata,
                 [](const auto& entry) { return detail::json_quoted(entry.first) + ':' + detail::json_quoted(entry.second); }) +
            '}' + (file.tensors.empty() ? "" : ",");
    json += list(file.tensors, [&](const tensor_entry& t) {
        const std::string where = text("write_safetensors: tensor '", t.name, "'");
        require(!t.name.empty() && t.name != "__metadata__" && names.insert(t.name).second, where, "name", "a new name",
                "an empty, reserved or repeated one");
        require(element_size(t.type) > 0, where, "element type", "one that element_size knows", t.type);
        const std::size_t expected = detail::size_in_bytes(t.dimensions, element_size(t.type), where), begin = offset;
        require<shape_error>(t.bytes.size() == expected, where, "bytes of data for its shape", expected, t.bytes.size());
        offset += expected;
        return text(detail::json_quoted(t.name), ":{\"dtype\":\"", t.type, "\",\"shape\":[",
                    list(t.dimensions, [](std::size_t d) { return std::to_string(d); }), "],\"data_offsets\":[", begin, ',',
                    offset, "]}");
    });
    json += '}';
    try {
        (void)detail::safetensors_header(json, "write_safetensors");
    } catch (const io_error& problem) {
        throw invalid_argument(text("a name or metadata text is not UTF-8: ", problem.what()));
    }
    json.resize((json.size() + 7) / 8 * 8, ' ');  // the data starts at a multiple of 8, as the reference writer's does
    const std::uint64_t length = json.size();
    atomic_file out(path);
    out.write(std::as_bytes(std::span(&length, 1)));
    out.write(std::as_bytes(std::span(json)));
    for (const auto& t : file.tensors) out.write(t.bytes);
    out.commit();
}

}  // namespace saddle
