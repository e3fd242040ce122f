#include "saddle/certification/certify.hpp"

#include "certification/networks.hpp"
#include "saddle/certification/cuda/certified_program.cuh"
#include "saddle/certification/largest_epsilon.hpp"
#include "saddle/certification/partition_file.hpp"
#include "saddle/certification/zonotope.hpp"

using namespace saddle;
using namespace saddle::testing;

namespace {

/// The same network and weights on the emulated device and on the processor, images, and what the network calls them.
template <class Network, class Backend = backend::cuda>
struct two_models {
    small_model<Network> host = random_model<Network>(4);
    model<Network, shape<2, 8, 7>, Backend> device;
    images x;
    labels y;

    explicit two_models(std::size_t count) : x(count, host.structure().input()), y(count) {
        std::copy(host.parameters().begin(), host.parameters().end(), device.parameters().begin());
        std::copy(host.buffers().begin(), host.buffers().end(), device.buffers().begin());
        const random_stream draws({.seed = 9, .purpose = purpose::user});
        for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = draws.uniform(0, i);
        y = certify<box>(host, x, y, linf_box{0}).predictions;
        y[1] = (y[1] + 1) % 4;
    }
};

/// A domain that runs on the processor only.
struct corners {
    static constexpr std::string_view name = "corners";
    template <class V>
    struct analysis {
        analysis(const bound_network<typename V::value_type>&, const corners&, rounding_model) {}
        template <class Value>
        void margins(const Value*, const Value*, std::size_t, double*) {}
    };
};

}  // namespace

TEMPLATE_TEST_CASE("certify on the device gives the processor's statuses and margins", "[cuda][certify]", strided,
                   residual_network) {
    const two_models<TestType> m(12);
    const auto found = certify<deep_poly, double>(m.device, m.x, m.y, linf_box{.02});
    const auto expected = certify<deep_poly, double>(m.host, m.x, m.y, linf_box{.02});
    CHECK(found.status == expected.status);
    CHECK(found.predictions == expected.predictions);
    CHECK(found.domain == "DeepPoly");
    CHECK(found.level == soundness::float_program);
    CHECK(found.status[1] == certificate::misclassified);
    CHECK(std::isnan(found.margin[1]));
    for (std::size_t i = 0; i < 12; ++i) {
        if (i != 1) CHECK(found.margin[i] == Approx(expected.margin[i]).epsilon(1e-9).margin(1e-9));
        CHECK((found.seconds[i] > 0) == (i != 1));
    }
}

TEMPLATE_TEST_CASE("certify by zonotopes on the device gives the processor's statuses and margins", "[cuda][certify]", strided,
                   residual_network) {
    const two_models<TestType> m(12);
    for (const bool intersect : {false, true}) {
        const zonotope domain{.intersect = intersect};
        const auto found = certify<zonotope, double>(m.device, m.x, m.y, linf_box{.02}, domain);
        const auto expected = certify<zonotope, double>(m.host, m.x, m.y, linf_box{.02}, domain);
        CHECK(found.status == expected.status);
        CHECK(found.domain == "DeepZ");
        CHECK(found.status[1] == certificate::misclassified);
        for (std::size_t i = 0; i < 12; ++i)
            if (i != 1) CHECK(found.margin[i] == Approx(expected.margin[i]).epsilon(1e-9).margin(1e-9));
    }
}

TEST_CASE("certify on the device rounds bounds outward to float unless double is asked for", "[cuda][certify]") {
    const two_models<strided> m(6);
    const auto narrow = certify<box>(m.device, m.x, m.y, linf_box{.05});
    const auto wide = certify<box, double>(m.device, m.x, m.y, linf_box{.05});
    for (std::size_t i = 0; i < narrow.margins.size(); ++i) {
        if (std::isnan(wide.margins[i])) continue;
        CHECK(narrow.margins[i] == static_cast<double>(static_cast<float>(narrow.margins[i])));
        CHECK(narrow.margins[i] <= wide.margins[i]);
        CHECK(narrow.margins[i] > wide.margins[i] - 1e-6);
    }
}

TEST_CASE("a certificate of a model with tensor cores is its fp32 program's", "[cuda][certify]") {
    const two_models<strided, backend::cuda_bf16> half(5);
    const two_models<strided, backend::cuda_fp32> full(5);
    CHECK(certify<deep_poly>(half.device, half.x, half.y, linf_box{.02}).margin[0] ==
          certify<deep_poly>(full.device, full.x, full.y, linf_box{.02}).margin[0]);
    STATIC_REQUIRE(detail::certified_program<backend::cuda_wgmma<cuda::bf16>, float>::arithmetic<double> == "double");
}

TEST_CASE("what is falsified gets no rows on the device, and falsify runs there", "[cuda][certify]") {
    const two_models<strided> m(6);
    worker_pool pool(1);
    const auto everywhere = falsify(m.device, m.x, m.y, linf_box{1}, m.x, pool);
    for (std::size_t i = 0; i < 6; ++i) CHECK(everywhere[i] == (i == 1));
    std::vector<std::uint8_t> falsified(6);
    falsified[4] = 1;
    const auto plain = certify<box>(m.device, m.x, m.y, linf_box{.001});
    const auto result = certify<box>(m.device, m.x, m.y, linf_box{.001}, {}, {.falsified = falsified});
    CHECK(result.status[4] == certificate::unverified);
    CHECK(std::isnan(result.margin[4]));
    CHECK(result.margin[3] == plain.margin[3]);
}

TEST_CASE("certify on the device tells its progress, stops on request and refuses what does not fit", "[cuda][certify]") {
    const two_models<strided> m(6);
    std::size_t last = 0;
    certify_settings settings;
    settings.progress = [&](std::size_t done, std::size_t total) {
        CHECK(done == last + 1);
        CHECK(total == 6);
        last = done;
    };
    (void)certify<box>(m.device, m.x, m.y, linf_box{.1}, box{}, settings);
    CHECK(last == 6);
    const std::atomic<bool> stop = true;
    CHECK_THROWS_AS(certify<box>(m.device, m.x, m.y, linf_box{.1}, box{}, {.stop = &stop}), interrupted);
    CHECK_THROWS_AS(certify<box>(m.device, images(1, extents{1, 8, 7}), {0}, linf_box{.1}), shape_error);
    CHECK_THROWS_AS(certify<box>(m.device, m.x, labels{0}, linf_box{.1}), shape_error);
    CHECK_THROWS_AS(certify<box>(m.device, m.x, m.y, linf_box{-.1}), invalid_argument);
    CHECK(certify<box>(m.device, images(), {}, linf_box{.1}).status.empty());
}

TEST_CASE("certify on the device takes smaller batches where its memory is short", "[cuda][certify]") {
    const two_models<strided> m(100);
    const auto expected = certify<box, double>(m.device, m.x, m.y, linf_box{.02});
    const cuda::certified_program program(m.device.structure(), m.device.parameters(), m.device.buffers());
    const cuda::device_analysis<box> bounds(program.network(), {}, rounding_model::of<float, double>(soundness::float_program));
    worker_pool pool(1);
    const auto with_room_for = [&](std::size_t lanes) {
        cuda_emulator::memory_limit = lanes * bounds.bytes_per_lane();
        return program.certify<double>(box{}, m.x, m.y, linf_box{.02}, pool, {});
    };
    const auto found = with_room_for(96);
    CHECK(found.status == expected.status);
    for (std::size_t i = 0; i < 100; ++i) CHECK((i == 1 || found.margin[i] == expected.margin[i]));
    CHECK_THROWS_WITH(with_room_for(60), Catch::Matchers::Contains("no room for 64 images"));
    cuda_emulator::memory_limit = std::size_t(-1);
}

TEST_CASE("radii and partitions are found on the device, too", "[cuda][certify]") {
    const two_models<strided> m(4);
    const auto radii = largest_certified_epsilon<box>(m.device, m.x, m.y, box{}, {.upper = .1, .tolerance = .02});
    for (std::size_t i = 0; i < 4; ++i) {
        if (i == 1) continue;
        const auto at = [&](double radius) { return certify<box>(m.device, m.x, m.y, linf_box{radius}).status[i]; };
        CHECK(at(radii.certified[i]) == certificate::verified);
        if (radii.refused[i] <= .1) CHECK(at(radii.refused[i]) == certificate::unverified);
    }
    const auto p = partition_dataset<box>(m.device, m.x, m.y, linf_box{.01});
    CHECK(p.complete());
    CHECK(p.identity.arithmetic == "double, rounded to float");
    CHECK(p.identity.model == identify_partition<box>(m.host, m.x, m.y, linf_box{.01}).model);
    CHECK(p.status == certify<box>(m.device, m.x, m.y, linf_box{.01}).status);
    const auto forms = partition_dataset<zonotope>(m.device, m.x, m.y, linf_box{.01});
    CHECK(forms.identity.domain == "DeepZ (intersect=false)");
    CHECK(forms.status == certify<zonotope>(m.device, m.x, m.y, linf_box{.01}).status);
}

TEST_CASE("a domain without kernels for a device is none of its domains", "[cuda][certify]") {
    STATIC_REQUIRE(cuda::DeviceDomain<box>);
    STATIC_REQUIRE(cuda::DeviceDomain<zonotope>);
    STATIC_REQUIRE(cuda::DeviceDomain<ladder<box, zonotope, deep_poly>>);
    STATIC_REQUIRE(Domain<corners, lanes<double>>);
    STATIC_REQUIRE_FALSE(cuda::DeviceDomain<corners>);
    STATIC_REQUIRE_FALSE(cuda::DeviceDomain<ladder<zonotope, corners>>);
}

TEST_CASE("a layer without a relaxation is an error that names it, on the device as well", "[cuda][certify]") {
    const model<sequential<flatten, linear<4>, softplus, linear<4>>, shape<2, 8, 7>, backend::cuda> m(1);
    CHECK_THROWS_WITH(cuda::certified_program(m.structure(), m.parameters(), m.buffers()),
                      Catch::Matchers::Contains("layer '2'"));
}
