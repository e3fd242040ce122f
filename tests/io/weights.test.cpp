#include "saddle/io/weights.hpp"
#include "io/scratch_folder.hpp"
#include "saddle/backend/reference/reference.hpp"
#include "saddle/nn/activations.hpp"
#include "saddle/nn/linear.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/resnet.hpp"
#include "saddle/nn/normalization.hpp"
#include "saddle/nn/sequential.hpp"
#include "support/catch.hpp"
#include "support/evaluate.hpp"

#include <limits>

using namespace saddle;
using namespace saddle::testing;

namespace {

using network = sequential<normalize, conv2d<3, 2>, batch_norm, relu, flatten, linear<4>>;
template <class T = float>
using net = model<network, shape<2, 4, 3>, backend::reference, T>;

template <class T>
net<T> perturbed() {
    net<T> m(1);
    perturb(m);
    return m;
}

template <class A, class B>
bool same(const A& a, const B& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

template <class T>
void check_equal(const net<T>& a, const net<T>& b) {
    CHECK(same(a.parameters(), b.parameters()));
    for (std::size_t i = 0; i < a.buffers().size() - 1; ++i) CHECK(a.buffers()[i] == b.buffers()[i]);
}

/// A linear<2> on [3] with the given tensors in a file; loads it.
using small = model<linear<2>, shape<3>, backend::reference>;

tensor_entry numbers(const std::string& name, std::vector<std::size_t> dimensions, std::vector<float> values) {
    return make_entry(name, std::move(dimensions), std::span<const float>(values));
}
tensor_entry weight(const std::string& name = "weight") { return numbers(name, {2, 3}, {1, 2, 3, 4, 5, 6}); }
tensor_entry bias(const std::string& name = "bias") { return numbers(name, {2}, {7, 8}); }

template <class Model>
std::string failure(Model& m, const std::string& path, const load_weights_options& options = {}) {
    try {
        load_weights(m, path, options);
    } catch (const io_error& e) {
        return e.what();
    }
    return "nothing thrown";
}
bool mentions(const std::string& all, const std::string& part) { return all.find(part) != std::string::npos; }

}  // namespace

TEMPLATE_TEST_CASE("weights that are saved and loaded come back bit for bit", "[io]", float, double) {
    const scratch_folder dir;
    auto before = perturbed<TestType>();
    before.buffers().back() = 41;
    save_weights(before, dir / "w.safetensors");
    net<TestType> after(2);
    const auto report = load_weights(after, dir / "w.safetensors");
    check_equal(before, after);
    CHECK(after.buffers().back() == 41);
    CHECK(report.missing.empty());
    CHECK(report.unexpected.empty());
}

TEST_CASE("a file has PyTorch's names, shapes and types", "[io]") {
    const scratch_folder dir;
    save_weights(perturbed<float>(), dir / "w.safetensors");
    const auto file = read_safetensors(dir / "w.safetensors");
    std::map<std::string, std::string> found;
    for (const auto& t : file.tensors) found[t.name] = t.type + detail::describe_dimensions(t.dimensions);
    CHECK(found == std::map<std::string, std::string>{{"0.mean", "F32[2]"},
                                                      {"0.std", "F32[2]"},
                                                      {"1.weight", "F32[3,2,2,2]"},
                                                      {"1.bias", "F32[3]"},
                                                      {"2.weight", "F32[3]"},
                                                      {"2.bias", "F32[3]"},
                                                      {"2.running_mean", "F32[3]"},
                                                      {"2.running_var", "F32[3]"},
                                                      {"2.num_batches_tracked", "I64[]"},
                                                      {"5.weight", "F32[4,18]"},
                                                      {"5.bias", "F32[4]"}});
    CHECK(file.tensors[0].type == "I64");
}

TEST_CASE("constants are left out when asked, and need not be in a file", "[io]") {
    const scratch_folder dir;
    const auto before = perturbed<float>();
    save_weights(before, dir / "w.safetensors", {.constants = false});
    CHECK(read_safetensors(dir / "w.safetensors").find("0.mean") == nullptr);
    net<> after(2);
    load_weights(after, dir / "w.safetensors");
    check_equal(before, after);
}

TEST_CASE("constants in a file replace the model's and may carry axes of one", "[io]") {
    const scratch_folder dir;
    auto file = safetensors_file{{weight("1.weight"), bias("1.bias"), numbers("0.mean", {1, 3, 1, 1}, {.1f, .2f, .3f}),
                                  numbers("0.std", {1, 3, 1, 1}, {.4f, .5f, .6f})},
                                 {}};
    write_safetensors(dir / "w.safetensors", file);
    model<sequential<normalize, linear<2>>, shape<3>, backend::reference> m;
    load_weights(m, dir / "w.safetensors");
    CHECK(std::vector<float>(m.buffers().begin(), m.buffers().end()) == std::vector<float>{.1f, .2f, .3f, .4f, .5f, .6f});
    file.tensors[3] = numbers("0.std", {3}, {.4f, 0, .6f});
    write_safetensors(dir / "w.safetensors", file);
    CHECK(mentions(failure(m, dir / "w.safetensors"), "0.std"));
}

TEST_CASE("half, bfloat and double files load into a float model", "[io]") {
    const scratch_folder dir;
    const std::vector<double> wide{1, 2, 3, 4, 5, .1};
    const std::uint16_t half[] = {0x3c00, 0xc000}, bfloat[] = {0x3f80, 0xc000};
    const auto raw = [](const std::string& type, const std::uint16_t(&bits)[2]) {
        const auto bytes = std::as_bytes(std::span(bits));
        return tensor_entry{"bias", {2}, type, {bytes.begin(), bytes.end()}};
    };
    for (const auto& short_bias : {raw("F16", half), raw("BF16", bfloat)}) {
        write_safetensors(dir / "w.safetensors", {{make_entry("weight", {2, 3}, std::span<const double>(wide)), short_bias}, {}});
        small m;
        load_weights(m, dir / "w.safetensors");
        CHECK(same(m.parameters(), std::vector<float>{1, 2, 3, 4, 5, .1f, 1, -2}));
    }
}

TEST_CASE("wrong shapes, wrong types, bad values, missing and unexpected names stand in one error, and nothing is loaded",
          "[io]") {
    const scratch_folder dir;
    const std::vector<std::int32_t> integers(3);
    write_safetensors(dir / "w.safetensors",
                      {{numbers("1.weight", {3, 2, 2}, std::vector<float>(12)), numbers("2.weight", {3}, {1, std::nanf(""), 1}),
                        make_entry("2.bias", {3}, std::span<const std::int32_t>(integers)),
                        numbers("2.running_mean", {3}, {1, 1, 1}), numbers("2.running_var", {3}, {1, -1, 1}),
                        numbers("5.weight", {4, 18}, std::vector<float>(72, std::numeric_limits<float>::infinity())),
                        numbers("5.bias", {4}, {1, 2, 3, 4}), numbers("9.extra", {1}, {1})},
                       {}});
    auto m = perturbed<float>();
    const auto before = m;
    const auto message = failure(m, dir / "w.safetensors");
    CHECK(mentions(message, "1.weight: shape; expected [3,2,2,2], found [3,2,2]"));
    CHECK(mentions(message, "2.weight: element 1; expected a finite number"));
    CHECK(mentions(message, "2.bias: element type; expected F16, BF16, F32 or F64, found I32"));
    CHECK(mentions(message, "2.running_var: element 1; expected a positive number, found -1"));
    CHECK(mentions(message, "5.weight: element 0; expected a finite number"));
    CHECK(mentions(message, "missing: 1.bias"));
    CHECK(mentions(message, "unexpected: 9.extra"));
    CHECK_FALSE(mentions(message, "num_batches_tracked"));
    check_equal(m, before);
}

TEST_CASE("a load that is not strict takes what fits and reports the rest", "[io]") {
    const scratch_folder dir;
    write_safetensors(dir / "w.safetensors", {{weight(), numbers("extra", {1}, {1})}, {}});
    small m(3);
    const float kept = m.parameters()[6];
    const auto report = load_weights(m, dir / "w.safetensors", {.strict = false});
    CHECK(report.missing == std::vector<std::string>{"bias"});
    CHECK(report.unexpected == std::vector<std::string>{"extra"});
    CHECK(m.parameters()[5] == 6);
    CHECK(m.parameters()[6] == kept);
}

TEST_CASE("a load that is not strict still refuses wrong shapes, and a file in which nothing matches", "[io]") {
    const scratch_folder dir;
    small m;
    write_safetensors(dir / "w.safetensors", {{weight(), numbers("bias", {3}, {1, 2, 3})}, {}});
    CHECK(mentions(failure(m, dir / "w.safetensors", {.strict = false}), "bias: shape"));
    write_safetensors(dir / "w.safetensors", {{weight("other.weight")}, {}});
    CHECK(mentions(failure(m, dir / "w.safetensors", {.strict = false}), "unexpected: other.weight"));
}

TEST_CASE("prefixes of wrappers are taken off, unless the model has them too", "[io]") {
    const scratch_folder dir;
    small m;
    write_safetensors(dir / "w.safetensors", {{weight("module.model.weight"), bias("module.model.bias")}, {}});
    load_weights(m, dir / "w.safetensors");
    CHECK(m.parameters()[7] == 8);
    CHECK(mentions(failure(m, dir / "w.safetensors", {.prefixes = {}}), "unexpected: module.model.weight"));
    model<sequential<named<"model", linear<2>>>, shape<3>, backend::reference> own;
    write_safetensors(dir / "w.safetensors", {{weight("model.weight"), bias("model.bias")}, {}});
    load_weights(own, dir / "w.safetensors");
    CHECK(own.parameters()[7] == 8);
}

TEST_CASE("weights load in order into layers of other names", "[io]") {
    const scratch_folder dir;
    write_safetensors(dir / "w.safetensors", {{weight("second.weight"), bias("second.bias"),
                                               numbers("first.weight", {1, 2}, {9, 10}), numbers("first.bias", {1}, {11})},
                                              {}});
    model<sequential<linear<2>, relu, linear<1>>, shape<3>, backend::reference> m;
    load_weights(m, dir / "w.safetensors", {.order = weights_order::in_order});
    CHECK(same(m.parameters(), std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
}

TEST_CASE("in order, a file sorted by name is read in the order of numbers, weight and bias by their own names", "[io]") {
    const scratch_folder dir;
    write_safetensors(dir / "w.safetensors", {{numbers("net.10.bias", {1}, {11}), numbers("net.10.weight", {1, 2}, {9, 10}),
                                               bias("net.2.bias"), weight("net.2.weight")},
                                              {}});
    model<sequential<linear<2>, relu, linear<1>>, shape<3>, backend::reference> m;
    load_weights(m, dir / "w.safetensors", {.order = weights_order::in_order});
    CHECK(same(m.parameters(), std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
}

TEST_CASE("in order works for saved files with batch norm and constants", "[io]") {
    const scratch_folder dir;
    auto before = perturbed<float>();
    save_weights(before, dir / "w.safetensors");
    net<> after(2);
    load_weights(after, dir / "w.safetensors", {.order = weights_order::in_order});
    check_equal(before, after);
}

TEST_CASE("in order, a file with too few or too many modules is refused by name", "[io]") {
    const scratch_folder dir;
    small m;
    write_safetensors(dir / "w.safetensors", {{weight("b.weight"), bias("b.bias"), bias("a.bias")}, {}});
    CHECK(mentions(failure(m, dir / "w.safetensors", {.order = weights_order::in_order}), "unexpected: a.bias"));
    model<sequential<linear<2>, linear<1>>, shape<3>, backend::reference> two;
    write_safetensors(dir / "w.safetensors", {{weight("b.weight"), bias("b.bias")}, {}});
    CHECK(mentions(failure(two, dir / "w.safetensors", {.order = weights_order::in_order}), "missing: 1.weight"));
}

TEST_CASE("weights that are not finite are not saved, and the old file stays", "[io]") {
    const scratch_folder dir;
    small m(1);
    save_weights(m, dir / "w.safetensors");
    const auto before = read_file(dir / "w.safetensors");
    m.parameters()[3] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_AS(save_weights(m, dir / "w.safetensors"), numeric_error);
    CHECK(read_file(dir / "w.safetensors") == before);
}

TEST_CASE("a double too large for float is refused by name", "[io]") {
    const scratch_folder dir;
    const std::vector<double> huge{1e300, 1};
    write_safetensors(dir / "w.safetensors", {{weight(), make_entry("bias", {2}, std::span<const double>(huge))}, {}});
    small m;
    CHECK(mentions(failure(m, dir / "w.safetensors"), "bias"));
}

TEST_CASE("a missing weights file is an io_error that names it", "[io]") {
    small m;
    const scratch_folder dir;
    CHECK(mentions(failure(m, dir / "absent.safetensors"), "absent.safetensors"));
}

TEST_CASE("ResNet-18's weights round-trip", "[io]") {
    const scratch_folder dir;
    using resnet = model<networks::resnet18<>, shape<3, 32, 32>, backend::reference>;
    resnet before(1), after(2);
    perturb(before);
    save_weights(before, dir / "w.safetensors");
    load_weights(after, dir / "w.safetensors");
    CHECK(same(before.parameters(), after.parameters()));
}
