#include "saddle/nn/plan.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"
#include "support/backends.hpp"
#include "support/catch.hpp"

using namespace saddle;

TEST_CASE("a plan places parameters one after the other", "[nn]") {
    plan p;
    CHECK(p.add_parameter("a", {2, 3}, 1) == 0);
    CHECK(p.add_parameter("b", {4}, 1) == 1);
    CHECK(p.parameters[1].offset == 6);
    CHECK(p.parameter_count == 10);
}

TEST_CASE("a plan places buffers one after the other", "[nn]") {
    plan p;
    p.add_buffer("mean", {2}, {0, 0}, false);
    p.add_buffer("count", {}, {0}, false);
    CHECK(p.buffers[1].offset == 2);
    CHECK(p.buffer_count == 3);
}

TEST_CASE("a plan gives each operation's output a tensor of its own", "[nn]") {
    plan p;
    const auto input = p.add_tensor({1, 4, 4});
    const auto first = p.append({.kind = operation_kind::flatten, .name = "flat"}, input, {16, 1, 1});
    CHECK(first == 1);
    CHECK(p.operations[0].input == input);
    CHECK(p.output() == first);
    CHECK(p.classes() == 16);
}

TEST_CASE("parts of a name are joined by dots, empty parts leave no trace", "[nn]") {
    CHECK(join_name("a", "b") == "a.b");
    CHECK(join_name("", "b") == "b");
    CHECK(join_name("a", "") == "a");
}

TEST_CASE("multiply-adds count convolutions and linear layers", "[nn]") {
    const auto p = make_plan<networks::conv_small<>, shape<1, 28, 28>, backend::reference, float>();
    CHECK(multiply_adds(p) == 16 * 13 * 13 * 16 + 32 * 5 * 5 * 16 * 16 + 800 * 100 + 100 * 10);
}
