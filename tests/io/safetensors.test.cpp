#include "saddle/io/safetensors.hpp"

#include "io/damage.hpp"
#include "io/says.hpp"

using namespace saddle;

namespace {

safetensors_file sample_tensors() {
    safetensors_file file;
    file.tensors.push_back(make_entry<float>("layer.weight", {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6}));
    file.tensors.push_back(make_entry<std::int64_t>("count", {}, std::vector<std::int64_t>{7}));
    file.tensors.push_back(make_entry<double>("empty", {0, 4}, {}));
    file.tensors.push_back(make_entry<double>("a \"quoted\" n\u00e4me", {2}, std::vector<double>{.1, -1e300}));
    file.metadata = {{"format", "pt"}, {"note", ""}, {"a\nline", "\x01\\\" \u20ac"}};
    return file;
}

/// A file of this header and this many bytes of data, with the header's true length unless another is given.
std::string file_of(const std::string& header, std::size_t data, std::uint64_t length = ~std::uint64_t{0}) {
    if (length == ~std::uint64_t{0}) length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(data, '\1');
}

std::string error_of(const std::string& content) {
    const scratch_folder folder;
    put_file(folder / "x.safetensors", content);
    try {
        (void)read_safetensors(folder / "x.safetensors");
    } catch (const io_error& problem) {
        return problem.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("a safetensors file comes back as it was written", "[io]") {
    const scratch_folder folder;
    write_safetensors(folder / "a", sample_tensors());
    const auto read = read_safetensors(folder / "a");
    CHECK(read.tensors.size() == 4);
    for (const auto& t : sample_tensors().tensors) {
        REQUIRE(read.find(t.name) != nullptr);
        CHECK(*read.find(t.name) == t);
    }
    CHECK(read.metadata == sample_tensors().metadata);
    CHECK(folder.number_of_files() == 1);
    CHECK(read.tensors[0].name == "layer.weight");
}

TEST_CASE("tensors come in the order of their data, not of their names", "[io]") {
    const scratch_folder folder;
    put_file(
        folder / "a",
        file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"b":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}  )",
                3));
    const auto read = read_safetensors(folder / "a");
    REQUIRE(read.tensors.size() == 2);
    CHECK(read.tensors[0].name == "b");
    CHECK(read.tensors[1].name == "a");
    CHECK(read.tensors[1].dimensions == std::vector<std::size_t>{2});
    CHECK(values_as<float>(read.tensors[1]) == std::vector<float>{1, 1});
    CHECK(read.find("c") == nullptr);
}

TEST_CASE("a file without tensors is a file", "[io]") {
    const scratch_folder folder;
    write_safetensors(folder / "a", {});
    CHECK(read_safetensors(folder / "a").tensors.empty());
}

TEST_CASE("the data of a written file starts at a multiple of 8 bytes", "[io]") {
    const scratch_folder folder;
    for (const std::string name : {"a", "ab", "abc", "abcd", "abcde"}) {
        write_safetensors(folder / name, {{make_entry<float>(name, {1}, std::vector<float>{1})}, {}});
        CHECK((read_file(folder / name).size() - 4) % 8 == 0);
    }
}

TEST_CASE("a wrong header length is an error", "[io]") {
    CHECK_THAT(error_of("1234567"), says("at least 8"));
    CHECK_THAT(error_of(file_of("{}", 0, 3)), says("header length"));
    CHECK_THAT(error_of(file_of("{}", 0, std::uint64_t{1} << 63)), says("header length"));
    CHECK_THAT(error_of(file_of("", 0)), says("first character"));
}

TEST_CASE("a header that is not the JSON it should be is an error", "[io]") {
    CHECK_THAT(error_of(file_of("{\"a\":", 0)), says("byte 5 of the header ('a'); expected '{', found its end"));
    CHECK_THAT(error_of(file_of("{} x", 0)), says("byte 3 of the header; expected the end of the header, found 'x'"));
    CHECK_THAT(error_of(file_of("{\"\xff\":1}", 0)), says("expected UTF-8, found a byte of 255"));
    CHECK_THAT(error_of(file_of("{\"a\nb\":1}", 0)), says("control characters, found a byte of 10"));
    CHECK_THAT(error_of(file_of("{\"a\" 1}", 0)), says("expected ':'"));
    CHECK_THAT(error_of(file_of("{\"a\":{},}", 0)), says("expected '\"', found '}'"));
    CHECK_THAT(error_of(file_of("[]", 0)), says("first character"));
    CHECK_THAT(error_of(file_of(R"({"a":3})", 0)), says("('a'); expected '{', found '3'"));
    CHECK_THAT(error_of(file_of(R"({"__metadata__":{"k":1}})", 0)), says("('__metadata__'); expected '\"', found '1'"));
    CHECK_THAT(error_of(file_of(R"({"__metadata__":[]})", 0)), says("('__metadata__'); expected '{'"));
    CHECK_THAT(error_of(file_of(std::string(100'000, '[').insert(0, R"({"a":)"), 0)), says("expected '{', found '['"));
}

TEST_CASE("the escapes of JSON are read, and nothing like them", "[io]") {
    const auto metadata = [](const std::string& written) {
        const scratch_folder folder;
        put_file(folder / "x", file_of(R"({"__metadata__":{"k":")" + written + R"("}})", 0));
        return read_safetensors(folder / "x").metadata.at("k");
    };
    CHECK(metadata(R"(\"\\\/\b\f\n\r\t)") == "\"\\/\b\f\n\r\t");
    CHECK(metadata(R"(\u00e4\u20AC\ud83d\ude00)") == "\u00e4\u20ac\U0001f600");
    CHECK(metadata("\u00e4\u20ac\U0001f600\ufffd") == "\u00e4\u20ac\U0001f600\ufffd");
    for (const std::string wrong :
         {R"(\x)", R"(\u12g4)", R"(\u12)", R"(\ud83d)", R"(\ud83d\u0041)", R"(\ude00)", "\xc3", "\xed\xa0\x80"})
        CHECK_THROWS_AS(metadata(wrong), io_error);
}

TEST_CASE("a name that occurs twice is an error", "[io]") {
    const std::string one = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
    CHECK_THAT(error_of(file_of("{" + one + "," + one + "}", 1)), says("'a' twice"));
    CHECK_THAT(error_of(file_of(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1)),
               says("'dtype' twice"));
}

TEST_CASE("a wrong description of a tensor is an error", "[io]") {
    const auto with = [](const std::string& type, const std::string& shape, const std::string& offsets, std::size_t data) {
        return error_of(
            file_of(R"({"a":{"dtype":)" + type + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}", data));
    };
    CHECK(with("\"F32\"", "[2]", "[0,8]", 8) == "no error");
    CHECK_THAT(with("\"F31\"", "[2]", "[0,8]", 8), says("element type") && says("F31"));
    CHECK_THAT(with("4", "[2]", "[0,8]", 8), says("('a', member 'dtype'); expected '\"'"));
    CHECK_THAT(with("\"F32\"", "[-2]", "[0,8]", 8), says("member 'shape'); expected an integer of at least 0"));
    CHECK_THAT(with("\"F32\"", "[02]", "[0,8]", 8), says("expected an integer"));
    CHECK_THAT(with("\"F32\"", "[18446744073709551616]", "[0,8]", 8), says("below 2^64"));
    CHECK_THAT(with("\"F32\"", "[2.0]", "[0,8]", 8), says("shape"));
    CHECK_THAT(with("\"F32\"", "2", "[0,8]", 8), says("shape"));
    CHECK_THAT(with("\"F32\"", "[4294967296,4294967296,4]", "[0,8]", 8), says("2^64"));
    CHECK_THAT(with("\"F32\"", "[3]", "[0,8]", 8), says("bytes of data for its shape"));
    CHECK_THAT(with("\"F32\"", "[2]", "[0,8,8]", 8), says("number of data offsets"));
    CHECK_THAT(with("\"F32\"", "[2]", "[8,0]", 8), says("data offsets"));
    CHECK_THAT(with("\"F32\"", "[2]", "[4,12]", 8), says("0 to 8"));
    CHECK_THAT(with("\"F32\"", "[2]", "[4,12]", 12), says("hole"));
    CHECK_THAT(with("\"F32\"", "[2]", "[0,8]", 9), says("belongs to no tensor"));
    CHECK_THAT(with("\"F32\"", "[2]", "[0,8],\"more\":1", 8),
               says("member 'more'); expected only dtype, shape and data_offsets"));
    CHECK_THAT(error_of(file_of(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1)),
               says("member 'shape'; expected a value, found nothing"));
}

TEST_CASE("tensors that share bytes are an error", "[io]") {
    CHECK_THAT(
        error_of(file_of(
            R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3)),
        says("overlaps"));
}

TEST_CASE("a damaged safetensors file gives an error or a file, nothing else", "[io]") {
    const scratch_folder folder;
    write_safetensors(folder / "good", sample_tensors());
    const auto good = read_file(folder / "good");
    const auto read = [](const std::string& path) { (void)read_safetensors(path); };
    const auto cut = read_truncated(folder / "bad", good, read, 1000);
    CHECK(cut.accepted == 0);
    CHECK(cut.refused == good.size());
    const auto altered = read_altered(folder / "bad", good, good.size() - 72, read);
    CHECK(altered.refused > altered.accepted);
}

TEST_CASE("what cannot be written as safetensors is refused before a file exists", "[io]") {
    const scratch_folder folder;
    const auto one = make_entry<float>("a", {1}, std::vector<float>{1});
    auto wrong_name = one, wrong_type = one, wrong_size = one, not_text = one;
    wrong_name.name = "__metadata__";
    wrong_type.type = "F31";
    wrong_size.dimensions = {2};
    not_text.name = "\xff";
    CHECK_THROWS_AS(write_safetensors(folder / "x", {{one, one}, {}}), invalid_argument);
    CHECK_THROWS_AS(write_safetensors(folder / "x", {{wrong_name}, {}}), invalid_argument);
    CHECK_THROWS_AS(write_safetensors(folder / "x", {{wrong_type}, {}}), invalid_argument);
    CHECK_THROWS_AS(write_safetensors(folder / "x", {{not_text}, {}}), invalid_argument);
    CHECK_THROWS_AS(write_safetensors(folder / "x", {{wrong_size}, {}}), shape_error);
    CHECK_THROWS_AS(make_entry<float>("a", {2, 2}, std::vector<float>{1, 2, 3}), shape_error);
    CHECK(folder.number_of_files() == 0);
}
