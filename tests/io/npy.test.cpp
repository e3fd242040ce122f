#include "saddle/io/npy.hpp"

#include "io/damage.hpp"
#include "io/says.hpp"

using namespace saddle;

namespace {

/// A .npy file with this dictionary, as numpy lays it out.
std::string npy_of(const std::string& dictionary, std::size_t data, int version = 1) {
    std::string content = "\x93NUMPY";
    content +=
        {static_cast<char>(version), '\0', static_cast<char>(dictionary.size() & 255), static_cast<char>(dictionary.size() >> 8)};
    if (version > 1) content += std::string(2, '\0');
    return content + dictionary + std::string(data, '\1');
}

npy_array read_text_as_npy(const std::string& content) {
    const scratch_folder folder;
    put_file(folder / "a.npy", content);
    return read_npy(folder / "a.npy");
}

}  // namespace

TEMPLATE_TEST_CASE("an npy file comes back as it was written", "[io]", float, double, std::uint8_t, std::int8_t, std::int32_t,
                   std::int64_t, std::uint16_t) {
    const scratch_folder folder;
    const std::vector<TestType> values{0, 1, 2, 3, 100, 5};
    for (const std::vector<std::size_t>& dimensions : {std::vector<std::size_t>{6}, {2, 3}, {1, 3, 2}}) {
        const auto array = make_npy<TestType>(dimensions, values);
        write_npy(folder / "a.npy", array);
        CHECK(read_npy(folder / "a.npy") == array);
        CHECK(values_as<double>(array) == std::vector<double>(values.begin(), values.end()));
    }
}

TEST_CASE("a written npy file has the bytes that numpy writes", "[io]") {
    const scratch_folder folder;
    write_npy(folder / "a.npy", make_npy<float>({3}, std::vector<float>{1, 2, 3}));
    const std::string expected = std::string("\x93NUMPY\1\0\x76\0", 10) +
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }" + std::string(60, ' ') + "\n";
    CHECK(read_text(folder / "a.npy").substr(0, 128) == expected);
    CHECK(read_text(folder / "a.npy").size() == 140);
}

TEST_CASE("scalars, empty arrays, other spacing and formats 2 and 3 are read", "[io]") {
    CHECK(read_text_as_npy(npy_of("{'descr': '<f8', 'fortran_order': False, 'shape': ()}\n", 8)).dimensions.empty());
    CHECK(read_text_as_npy(npy_of("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3)}\n", 0)).bytes.empty());
    CHECK(read_text_as_npy(npy_of("{\"shape\":(2,3,),\"descr\":\"|u1\",\"fortran_order\":False}", 6)).type == "U8");
    CHECK(read_text_as_npy(npy_of("{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }\n", 4, 2)).type == "I16");
    CHECK(read_text_as_npy(npy_of("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }\n", 2, 3)).type == "BOOL");
}

TEST_CASE("read_npy reads the first entries only when asked", "[io]") {
    const scratch_folder folder;
    write_npy(folder / "a.npy", make_npy<std::int32_t>({3, 2}, std::vector<std::int32_t>{1, 2, 3, 4, 5, 6}));
    const auto two = read_npy(folder / "a.npy", 2);
    CHECK(two.dimensions == std::vector<std::size_t>{2, 2});
    CHECK(values_as<int>(two) == std::vector<int>{1, 2, 3, 4});
    CHECK(read_npy(folder / "a.npy", 5).dimensions[0] == 3);
}

TEST_CASE("Fortran order and big-endian numbers are refused by name", "[io]") {
    CHECK_THROWS_WITH(read_text_as_npy(npy_of("{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }", 8)),
                      says("Fortran order"));
    CHECK_THROWS_WITH(read_text_as_npy(npy_of("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", 8)), says(">f4"));
    CHECK_THROWS_WITH(read_text_as_npy(npy_of("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", 8)), says("|O"));
}

TEST_CASE("a malformed npy header is an io_error", "[io]") {
    for (const std::string dictionary :
         {"", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1}", "{'descr': '<f4",
          "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x",
          "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
          "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"}) {
        CAPTURE(dictionary);
        CHECK_THROWS_AS(read_text_as_npy(npy_of(dictionary, 4)), io_error);
    }
}

TEST_CASE("an npy file of the wrong size, magic or version is an io_error", "[io]") {
    const std::string dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
    CHECK_NOTHROW(read_text_as_npy(npy_of(dictionary, 8)));
    CHECK_THROWS_WITH(read_text_as_npy(npy_of(dictionary, 7)), says("expected 8, found 7"));
    CHECK_THROWS_AS(read_text_as_npy(npy_of(dictionary, 9)), io_error);
    CHECK_THROWS_WITH(read_text_as_npy(npy_of(dictionary, 8, 4)), says("version"));
    CHECK_THROWS_WITH(read_text_as_npy("PK\3\4"
                                       "567890123"),
                      says("magic"));
}

TEST_CASE("a damaged npy file gives an error or an array, nothing else", "[io]") {
    const scratch_folder folder;
    write_npy(folder / "good", make_npy<double>({4, 3}, std::vector<double>(12, 1.5)));
    const auto good = read_file(folder / "good");
    const auto read = [](const std::string& path) { (void)read_npy(path); };
    const auto cut = read_truncated(folder / "bad", good, read);
    CHECK(cut.accepted == 0);
    CHECK(cut.refused == good.size());
    CHECK(read_altered(folder / "bad", good, 128, read).refused > 200);
}

TEST_CASE("what cannot be written as npy is refused", "[io]") {
    const scratch_folder folder;
    auto array = make_npy<float>({2}, std::vector<float>{1, 2});
    array.type = "BF16";
    CHECK_THROWS_AS(write_npy(folder / "a", array), invalid_argument);
    array.type = "F64";
    CHECK_THROWS_AS(write_npy(folder / "a", array), shape_error);
    CHECK_THROWS_AS(make_npy<float>({3}, std::vector<float>{1, 2}), shape_error);
    CHECK(folder.number_of_files() == 0);
}
