#include "saddle/evaluation/obfuscation_report.hpp"

#include "support/catch.hpp"

#include <sstream>

using namespace saddle;

TEST_CASE("the table has a verdict and a reason a line", "[evaluation][obfuscation]") {
    const obfuscation_report r{
        "m", .1, {{"a", "1 %", sign_verdict::clear, "fine"}, {"b", "2 %", sign_verdict::suspicious, "not"}}};
    std::ostringstream out;
    write_text(r, out);
    CHECK(out.str() == "m, Linf epsilon 0.1\n"
                       "sign  measured (accuracies)  verdict     because\n"
                       "────────────────────────────────────────────────\n"
                       "a     1 %                    clear       fine\n"
                       "b     2 %                    SUSPICIOUS  not\n"
                       "1 sign of obfuscated gradients: do not trust attacks that follow them\n");
    CHECK_THROWS_AS(r.sign("c"), invalid_argument);
}

TEST_CASE("the sentence under the table says how many checks could not be made", "[evaluation][obfuscation]") {
    const auto last_lines = [](std::vector<obfuscation_sign> signs) {
        std::ostringstream out;
        write_text(obfuscation_report{"m", .1, std::move(signs)}, out);
        const std::string all = out.str();
        return all.substr(all.rfind("no sign"));
    };
    const obfuscation_sign clear{"a", "", sign_verdict::clear, ""}, open{"b", "", sign_verdict::unknown, ""};
    CHECK(last_lines({clear, clear}) == "no sign of obfuscated gradients\n");
    CHECK(last_lines({clear, open, open}) == "no sign of obfuscated gradients among 1\n2 of 3 checks could not be made\n");
}
