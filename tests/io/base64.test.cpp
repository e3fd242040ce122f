#include "saddle/io/base64.hpp"

#include "support/catch.hpp"

TEST_CASE("encode_base64 gives the strings of RFC 4648", "[io]") {
    const auto encode = [](const std::string& s) { return saddle::encode_base64(std::as_bytes(std::span(s))); };
    CHECK(encode("") == "");
    CHECK(encode("f") == "Zg==");
    CHECK(encode("fo") == "Zm8=");
    CHECK(encode("foo") == "Zm9v");
    CHECK(encode("foob") == "Zm9vYg==");
    CHECK(encode("fooba") == "Zm9vYmE=");
    CHECK(encode("foobar") == "Zm9vYmFy");
    CHECK(encode("\xfb\xff\xbf") == "+/+/");
}
