#pragma once
#include "saddle/io/elements.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

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

/// Parses the header; nlohmann's parser keeps the last of two equal keys and nests without limit, this one throws.
inline nlohmann::ordered_json parse_safetensors_header(const std::string& header, const std::string& path) {
    using json = nlohmann::ordered_json;
    std::vector<std::set<std::string>> keys;
    const auto check = [&](int depth, json::parse_event_t event, json& value) {
        if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) {
            require<io_error>(depth < 3, path, "nesting of the header", "at most 3 levels", "more");
            if (event == json::parse_event_t::object_start) keys.emplace_back();
        } else if (event == json::parse_event_t::object_end) {
            keys.pop_back();
        } else if (event == json::parse_event_t::key) {
            const auto& key = value.get_ref<const std::string&>();
            if (!keys.back().insert(key).second) throw io_error(text(path, ": the header names '", key, "' twice"));
        }
        return true;
    };
    try {
        auto parsed = json::parse(header, check);
        require<io_error>(parsed.is_object(), path, "header", "a JSON object", parsed.type_name());
        return parsed;
    } catch (const json::exception& problem) {
        throw io_error(text(path, ": the header is not valid JSON: ", problem.what()));
    }
}

struct tensor_place {
    tensor_entry entry;
    std::size_t begin = 0, end = 0;
};

inline std::vector<std::size_t> sizes_of(const nlohmann::ordered_json& object, const char* key, const std::string& where) {
    const auto found = object.find(key);
    require<io_error>(found != object.end() && found->is_array(), where, text("member '", key, "'"), "a list of sizes",
                      found == object.end() ? "nothing" : found->type_name());
    std::vector<std::size_t> sizes;
    for (const auto& value : *found) {
        require<io_error>(value.is_number_unsigned(), where, text("member '", key, "'"), "integers of at least 0",
                          value.type_name());
        sizes.push_back(value.get<std::size_t>());
    }
    return sizes;
}

inline tensor_place place_of(const std::string& name, const nlohmann::ordered_json& value, std::size_t data_bytes,
                             const std::string& path) {
    const std::string where = text(path, ": tensor '", name, "'");
    require<io_error>(value.is_object() && value.size() == 3, where, "description",
                      "an object with dtype, shape and data_offsets",
                      value.is_object() ? text(value.size(), " members") : value.type_name());
    const auto type = value.find("dtype");
    require<io_error>(type != value.end() && type->is_string(), where, "member 'dtype'", "a text",
                      type == value.end() ? "nothing" : type->type_name());
    tensor_place place{{name, sizes_of(value, "shape", where), type->get<std::string>(), {}}};
    const auto offsets = sizes_of(value, "data_offsets", where);
    require<io_error>(offsets.size() == 2, where, "number of data offsets", 2, offsets.size());
    place.begin = offsets[0];
    place.end = offsets[1];
    require<io_error>(place.begin <= place.end && place.end <= data_bytes, where, "data offsets",
                      text("a range within 0 to ", data_bytes), text(place.begin, " to ", place.end));
    const std::size_t each = element_size(place.entry.type);
    require<io_error>(each > 0, where, "element type", "BOOL, U8 to U64, I8 to I64, F8_E5M2, F8_E4M3, F16, BF16, F32 or F64",
                      "'" + place.entry.type + "'");
    const std::size_t expected = size_in_bytes(place.entry.dimensions, each, where);
    require<io_error>(place.end - place.begin == expected, where, "bytes of data for its shape", expected,
                      place.end - place.begin);
    return place;
}

}  // namespace detail

/// Reads a .safetensors file (8 bytes header length, JSON header, data; github.com/huggingface/safetensors, format of version
/// 0.4). Throws io_error for every file that the reference reader refuses: wrong lengths or JSON, duplicate names, and tensors
/// that overlap, leave holes, lie outside the file or do not fit their shape.
[[nodiscard]] inline safetensors_file read_safetensors(const std::string& path) {
    constexpr std::size_t header_limit = 100'000'000;
    input_file file(path);
    require<io_error>(file.size() >= 8, path, "size of a safetensors file", "at least 8 bytes", file.size());
    std::uint64_t length = 0;
    file.read(std::as_writable_bytes(std::span(&length, 1)));
    require<io_error>(length <= std::min(header_limit, file.size() - 8), path, "header length",
                      text("at most ", std::min(header_limit, file.size() - 8), " bytes"), length);
    std::string header(length, '\0');
    file.read(std::as_writable_bytes(std::span(header)));
    require<io_error>(!header.empty() && header[0] == '{', path, "first character of the header", "'{'", "another or none");
    const auto parsed = detail::parse_safetensors_header(header, path);
    const std::size_t data_bytes = file.size() - 8 - length;

    safetensors_file result;
    std::vector<detail::tensor_place> places;
    for (const auto& [name, value] : parsed.items()) {
        if (name != "__metadata__") {
            places.push_back(detail::place_of(name, value, data_bytes, path));
            continue;
        }
        require<io_error>(value.is_object(), path, "__metadata__", "an object of texts", value.type_name());
        for (const auto& [key, entry] : value.items()) {
            require<io_error>(entry.is_string(), path, text("__metadata__ entry '", key, "'"), "a text", entry.type_name());
            result.metadata[key] = entry.template get<std::string>();
        }
    }
    std::stable_sort(places.begin(), places.end(),
                     [](const auto& a, const auto& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    std::size_t next = 0;
    for (auto& place : places) {
        require<io_error>(place.begin == next, text(path, ": tensor '", place.entry.name, "'"),
                          place.begin < next ? "its data overlaps another tensor's; start"
                                             : "there is a hole before its data; start",
                          next, place.begin);
        place.entry.bytes = detail::allocate<std::byte>(place.end - place.begin, path);
        file.read(place.entry.bytes);
        next = place.end;
        result.tensors.push_back(std::move(place.entry));
    }
    require<io_error>(next == data_bytes, path, "bytes of data (the rest belongs to no tensor)", next, data_bytes);
    return result;
}

/// Writes a .safetensors file, atomically, with the tensors' data in the given order. Throws invalid_argument for a name that is
/// empty, reserved, used twice or not UTF-8, shape_error for bytes that do not fit the dimensions, and io_error.
inline void write_safetensors(const std::string& path, const safetensors_file& file) {
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
    std::size_t offset = 0;
    for (const auto& t : file.tensors) {
        const std::string where = text("write_safetensors: tensor '", t.name, "'");
        require(!t.name.empty() && t.name != "__metadata__" && !header.contains(t.name), where, "name", "a new name",
                "an empty, reserved or repeated one");
        require(element_size(t.type) > 0, where, "element type", "one that element_size knows", t.type);
        const std::size_t expected = detail::size_in_bytes(t.dimensions, element_size(t.type), where);
        require<shape_error>(t.bytes.size() == expected, where, "bytes of data for its shape", expected, t.bytes.size());
        header[t.name] = {{"dtype", t.type}, {"shape", t.dimensions}, {"data_offsets", {offset, offset + expected}}};
        offset += expected;
    }
    std::string json;
    try {
        json = header.dump();
    } catch (const nlohmann::json::exception& problem) {
        throw invalid_argument(text("write_safetensors: a name or metadata text is not UTF-8: ", problem.what()));
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
