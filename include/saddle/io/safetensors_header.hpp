#pragma once
#include "saddle/core/error.hpp"
#include "saddle/core/utf8.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace saddle::detail {

/// What a .safetensors header says of one tensor; a member that is missing is empty.
struct tensor_description {
    std::string name;
    std::optional<std::string> type;
    std::optional<std::vector<std::size_t>> dimensions, offsets;
};

/// Reads the JSON of a .safetensors header, of which the format leaves little: an object of objects of texts and lists of integers.
///
/// Throws io_error, with the byte, for everything else, for names that occur twice and for texts that are not UTF-8. Written by hand:
/// a JSON library would be a fifth of what compiling a program with weights takes.
class safetensors_header {
public:
    std::vector<tensor_description> tensors;
    std::map<std::string, std::string> metadata;

    safetensors_header(std::string_view json, std::string_view path) : json_(json), rest_(json), path_(path) {
        read_members([&](const std::string& name) {
            place_ = name;
            if (name == "__metadata__")
                read_members([&](const std::string& key) { metadata[key] = read_text(); });
            else
                read_tensor(name);
        });
        skip_spaces();
        if (!rest_.empty()) fail("the end of the header");
    }

private:
    [[gnu::cold]] void read_tensor(const std::string& name) {
        auto& t = tensors.emplace_back();
        t.name = name;
        read_members([&](const std::string& member) {
            place_ = text(name, "', member '", member);
            if (member == "dtype")
                t.type = read_text();
            else if (member == "shape")
                t.dimensions = read_sizes();
            else if (member == "data_offsets")
                t.offsets = read_sizes();
            else
                fail("only dtype, shape and data_offsets");
        });
    }
    template <class F>
    [[gnu::cold]] void read_members(F&& read_value) {
        expect('{');
        if (take('}')) return;
        std::set<std::string> names;
        do {
            const auto name = read_text();
            if (!names.insert(name).second) throw io_error(text(path_, ": the header names '", name, "' twice"));
            expect(':');
            read_value(name);
        } while (take(','));
        expect('}');
    }
    [[gnu::cold]] std::vector<std::size_t> read_sizes() {
        std::vector<std::size_t> sizes;
        expect('[');
        if (take(']')) return sizes;
        do {
            skip_spaces();
            std::size_t& n = sizes.emplace_back();
            const auto [end, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), n);
            const auto digits = static_cast<std::size_t>(end - rest_.data());
            if (problem != std::errc{} || (digits > 1 && rest_[0] == '0')) fail("an integer of at least 0 and below 2^64");
            rest_.remove_prefix(digits);
        } while (take(','));
        expect(']');
        return sizes;
    }
    [[gnu::cold]] std::string read_text() {
        expect('"');
        std::string out;
        while (!rest_.empty() && rest_[0] != '"') {
            if (static_cast<unsigned char>(rest_[0]) < 0x20) fail("a text without control characters");
            if (rest_[0] == '\\') {
                append_utf8(out, read_escape());
                continue;
            }
            const auto before = rest_;
            if (next_code_point(rest_) == not_a_character && rest_.size() + 1 == before.size()) {
                rest_ = before;
                fail("UTF-8");
            }
            out.append(before.substr(0, before.size() - rest_.size()));
        }
        expect('"');
        return out;
    }
    /// The character that a backslash stands for.
    char32_t read_escape() {
        constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
        const auto which = rest_.size() > 1 ? letters.find(rest_[1]) : letters.npos;
        if (which != letters.npos) {
            rest_.remove_prefix(2);
            return static_cast<char32_t>(meanings[which]);
        }
        const char32_t first = read_code_unit();
        if (first < 0xD800 || first > 0xDFFF) return first;
        const char32_t second = first < 0xDC00 ? read_code_unit() : 0;
        if (second < 0xDC00 || second > 0xDFFF) fail("a pair of surrogates");
        return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    }
    char32_t read_code_unit() {
        std::uint32_t code = 0;
        const auto digits = rest_.size() < 6 || !rest_.starts_with("\\u") ? std::string_view() : rest_.substr(2, 4);
        const char* const end = digits.data() + digits.size();
        if (digits.empty() || std::from_chars(digits.data(), end, code, 16).ptr != end) fail("an escape of JSON");
        rest_.remove_prefix(6);
        return code;
    }

    void skip_spaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n\r"), rest_.size())); }
    bool take(char c) {
        skip_spaces();
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void expect(char c) {
        if (!take(c)) fail(std::string{'\'', c, '\''});
    }
    [[noreturn]] void fail(std::string_view expected) const {
        const char c = rest_.empty() ? '\0' : rest_[0];
        const std::string found = rest_.empty()        ? "its end"
                                  : c < ' ' || c > '~' ? text("a byte of ", static_cast<unsigned>(static_cast<unsigned char>(c)))
                                                       : std::string{'\'', c, '\''};
        throw io_error(text(path_, ": byte ", json_.size() - rest_.size(), " of the header",
                            place_.empty() ? std::string() : " ('" + place_ + "')", "; expected ", expected, ", found ", found));
    }

    std::string_view json_, rest_, path_;
    std::string place_;
};

/// `s` as a JSON text; bytes that are not UTF-8 stay.
[[nodiscard, gnu::cold]] inline std::string json_quoted(std::string_view s) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : s) {
        if (c == '"' || c == '\\')
            out += {'\\', c};
        else if (static_cast<unsigned char>(c) < 0x20)
            out += {'\\', 'u', '0', '0', digits[static_cast<std::size_t>(c) / 16], digits[static_cast<std::size_t>(c) % 16]};
        else
            out += c;
    }
    return out + '"';
}

}  // namespace saddle::detail
