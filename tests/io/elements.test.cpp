#include "saddle/io/elements.hpp"

#include "io/says.hpp"

using namespace saddle;

namespace {

template <class To, class From>
std::vector<To> convert(std::string_view type, const std::vector<From>& values) {
    return convert_elements<To>(type, std::as_bytes(std::span(values)), "test");
}

}  // namespace

TEST_CASE("element types have the names and sizes of safetensors", "[io]") {
    CHECK(element_type<float>() == "F32");
    CHECK(element_type<double>() == "F64");
    CHECK(element_type<std::int8_t>() == "I8");
    CHECK(element_type<std::uint16_t>() == "U16");
    CHECK(element_type<std::int64_t>() == "I64");
    CHECK(element_type<bool>() == "BOOL");
    CHECK(element_size("BF16") == 2);
    CHECK(element_size("F64") == 8);
    CHECK(element_size("F8_E4M3") == 1);
    CHECK(element_size("f32") == 0);
}

TEST_CASE("half precision numbers convert exactly", "[io]") {
    const std::vector<std::uint16_t> bits{0x0000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x8400, 0x3555};
    const std::vector<float> expected{0, 1, -2, 65504, 0x1p-24f, 1023 * 0x1p-24f, -0x1p-14f, 0x1.554p-2f};
    CHECK(convert<float>("F16", bits) == expected);
    const auto special = convert<float>("F16", std::vector<std::uint16_t>{0x7c00, 0xfc00, 0x7e00, 0x8000});
    CHECK(special[0] == std::numeric_limits<float>::infinity());
    CHECK(special[1] == -std::numeric_limits<float>::infinity());
    CHECK(std::isnan(special[2]));
    CHECK(std::signbit(special[3]));
}

TEST_CASE("bfloat16 numbers convert exactly", "[io]") {
    CHECK(convert<double>("BF16", std::vector<std::uint16_t>{0x3f80, 0xc040, 0x0001}) == std::vector<double>{1, -3, 0x1p-133});
}

TEST_CASE("integers and booleans convert to floating point and to other integers", "[io]") {
    CHECK(convert<float>("I64", std::vector<std::int64_t>{-5, 1 << 20}) == std::vector<float>{-5, 1 << 20});
    CHECK(convert<std::int32_t>("U8", std::vector<std::uint8_t>{0, 255}) == std::vector<std::int32_t>{0, 255});
    CHECK(convert<std::int32_t>("F32", std::vector<float>{-3, 7}) == std::vector<std::int32_t>{-3, 7});
    CHECK(convert<float>("BOOL", std::vector<std::uint8_t>{0, 1, 2}) == std::vector<float>{0, 1, 1});
}

TEST_CASE("a value that the target cannot hold is an error with its place", "[io]") {
    CHECK_THROWS_WITH((convert<std::int32_t>("I64", std::vector<std::int64_t>{1, std::int64_t{1} << 31})),
                      says("element 1") && says("I32"));
    CHECK_THROWS_AS((convert<std::int32_t>("F32", std::vector<float>{.5f})), data_error);
    CHECK_THROWS_AS((convert<std::int32_t>("F32", std::vector<float>{NAN})), data_error);
    CHECK_THROWS_AS((convert<std::int32_t>("F32", std::vector<float>{2147483648.f})), data_error);
    CHECK_THROWS_AS((convert<std::uint8_t>("I8", std::vector<std::int8_t>{-1})), data_error);
    CHECK_THROWS_AS((convert<float>("F64", std::vector<double>{1e300})), data_error);
    CHECK(convert<std::int32_t>("F32", std::vector<float>{-2147483648.f})[0] == std::numeric_limits<std::int32_t>::min());
}

TEST_CASE("a type that has no conversion is an error", "[io]") {
    CHECK_THROWS_AS((convert<float>("F8_E4M3", std::vector<std::uint8_t>{1})), io_error);
    CHECK_THROWS_AS((convert<float>("complex", std::vector<std::uint8_t>{1})), io_error);
}
