// Rates of single kernels: convolutions beside a large cuBLASLt product, elementwise passes beside device-to-device copies, all in this
// run, and the kernels of small networks: kernels FILE.json
#include "report.hpp"
#include "saddle/cuda.cuh"
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/nn/model.hpp"
#include "saddle/nn/networks/conv_small.hpp"

#include <cublasLt.h>

using namespace saddle;
using namespace saddle::cuda;

namespace {

/// Milliseconds of one call of f on the stream: the median of several timed runs of calls in a row.
class device_clock {
public:
    device_clock() {
        check(cudaEventCreate(&begin_), "creating an event");
        check(cudaEventCreate(&end_), "creating an event");
    }
    template <class F>
    double seconds_of(const stream& s, F&& f) {
        for (int i = 0; i < 3; ++i) f();
        std::vector<double> times;
        for (int round = 0; round < 7; ++round) {
            constexpr int calls = 10;
            check(cudaEventRecord(begin_, s.handle()), "recording an event");
            for (int i = 0; i < calls; ++i) f();
            check(cudaEventRecord(end_, s.handle()), "recording an event");
            check(cudaEventSynchronize(end_), "waiting for an event");
            float milliseconds = 0;
            check(cudaEventElapsedTime(&milliseconds, begin_, end_), "reading events");
            times.push_back(milliseconds / 1000. / calls);
        }
        std::sort(times.begin(), times.end());
        return times[times.size() / 2];
    }

private:
    cudaEvent_t begin_{}, end_{};
};

void require_blas(cublasStatus_t status, const char* what) {
    if (status != CUBLAS_STATUS_SUCCESS) throw cuda_error(text("cublasLt: ", what, ": status ", static_cast<int>(status)));
}

/// FLOP/s of an 8192³ product of cuBLASLt on random values, which draw the power that real data does.
double product_rate(const stream& s, device_clock& clock, bool half) {
    constexpr std::uint64_t n = 8192;
    const cudaDataType_t type = half ? CUDA_R_16BF : CUDA_R_32F;
    const std::size_t each = half ? 2 : 4;
    device_vector<std::byte> a(n * n * each), b(n * n * each), c(n * n * each), work(std::size_t{64} << 20);
    std::vector<std::byte> random(n * n * each);
    const random_stream draws({.seed = 2});
    for (std::size_t i = 0; i < n * n; ++i) {
        const float v = draws.uniform(0, i) - .5f;
        if (half)
            reinterpret_cast<bfloat16*>(random.data())[i] = bfloat16(v);
        else
            reinterpret_cast<float*>(random.data())[i] = v;
    }
    for (auto* to : {&a, &b}) copy_values(s.handle(), to->data(), random.data(), random.size(), cudaMemcpyHostToDevice);
    s.synchronize();
    cublasLtHandle_t handle;
    require_blas(cublasLtCreate(&handle), "create");
    cublasLtMatmulDesc_t operation;
    require_blas(cublasLtMatmulDescCreate(&operation, half ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F),
                 "description");
    const cublasOperation_t transposed = CUBLAS_OP_T;
    require_blas(cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
                 "transpose");
    cublasLtMatrixLayout_t layout;
    require_blas(cublasLtMatrixLayoutCreate(&layout, type, n, n, n), "layout");
    cublasLtMatmulPreference_t preference;
    require_blas(cublasLtMatmulPreferenceCreate(&preference), "preference");
    const std::size_t room = work.size();
    require_blas(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room, sizeof room),
                 "workspace");
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    require_blas(cublasLtMatmulAlgoGetHeuristic(handle, operation, layout, layout, layout, layout, preference, 1, &found, &count),
                 "heuristic");
    const float one = 1, zero = 0;
    const double time = clock.seconds_of(s, [&] {
        require_blas(cublasLtMatmul(handle, operation, &one, a.data(), layout, b.data(), layout, &zero, c.data(), layout,
                                    c.data(), layout, &found.algo, work.data(), work.size(), s.handle()),
                     "product");
    });
    return 2. * n * n * n / time;
}

/// Multiply-adds of a 3×3 convolution with padding 1, taps inside the image only.
double products(std::size_t channels, std::size_t side, std::size_t lanes) {
    const double taps = 9. * side * side - 2 * 3. * 2 * side + 4;
    return taps * static_cast<double>(channels) * static_cast<double>(channels) * static_cast<double>(lanes);
}

template <class Precision>
void convolution(measure::report& out, const stream& s, device_clock& clock, std::size_t channels, std::size_t side,
                 std::size_t lanes, double product, std::size_t multiprocessors) {
    using S = typename Precision::storage;
    const extents shape{channels, side, side};
    const convolution_pair pair({3, 3, 1, 1}, shape, shape);
    const std::size_t values = shape.size() * lanes;
    device_vector<S> x(values), y(values), packed(packed_size(pair.forward));
    device_vector<float> weight(channels * channels * 9), gradient(channels * channels * 9);
    device_vector<float> partial(gradient_scratch<Precision>(pair.forward, lanes, true));
    const bool with_wgmma = has_wgmma(read_device());
    tensor_maps maps;
    std::vector<float> host(weight.size());
    const random_stream draws({.seed = 3});
    for (std::size_t i = 0; i < host.size(); ++i) host[i] = draws.uniform(0, i) - .5f;
    copy_values(s.handle(), weight.data(), host.data(), host.size(), cudaMemcpyHostToDevice);
    std::vector<S> pixels(values);
    for (std::size_t i = 0; i < values; ++i) pixels[i] = static_cast<S>(draws.uniform(1, i) - .5f);
    for (auto* to : {&x, &y}) copy_values(s.handle(), to->data(), pixels.data(), values, cudaMemcpyHostToDevice);
    s.synchronize();
    const double flops = 2 * products(channels, side, lanes);
    const auto row = [&](const std::string& what, double time) {
        const std::string which = text(Precision::name, ' ', channels, " channels ", side, 'x', side, " batch ", lanes);
        out.row(what, which, flops / time / 1e12, "TFLOP/s");
        out.row(text(what, ", of cuBLASLt"), which, 100 * flops / time / product, "%");
    };
    for (const auto* shape_of : {&pair.forward, &pair.backward}) {
        launch_pack<Precision>(s.handle(), weight.data(), nullptr, *shape_of, packed.data());
        epilogue<S> e;
        e.out = y.data();
        device_vector<S> for_wgmma;
        wgmma_operands<S> operands{&maps, packed.data()};
        if constexpr (std::is_same_v<Precision, tf32>) {
            for_wgmma.reserve(wgmma_packed_size<tf32>(*shape_of));
            launch_pack_for_wgmma(s.handle(), weight.data(), nullptr, *shape_of, for_wgmma.data());
            operands.weights = for_wgmma.data();
        }
        for (const bool wgmma : {false, true}) {
            if (wgmma && !with_wgmma) continue;
            row(text(wgmma ? "convolution by wgmma" : "convolution", shape_of->backward ? ", backward" : ""),
                clock.seconds_of(s, [&] {
                    launch_convolution<Precision, S>(s.handle(), *shape_of, x.data(), packed.data(), e, lanes, multiprocessors,
                                                     wgmma ? operands : wgmma_operands<S>{});
                }));
        }
    }
    for (const bool wgmma : {false, true}) {
        if (wgmma && !(with_wgmma && gradient_runs_by_wgmma<Precision>(pair.forward))) continue;
        row(wgmma ? "weight gradient by wgmma" : "weight gradient", clock.seconds_of(s, [&] {
            launch_weight_gradient<Precision>(s.handle(), pair.forward, static_cast<const S*>(x.data()),
                                              static_cast<const S*>(y.data()), lanes, partial.data(), gradient.data(),
                                              wgmma ? &maps : nullptr);
        }));
    }
}

void elementwise(measure::report& out, const stream& s, device_clock& clock) {
    const extents shape{64, 32, 32};
    const std::size_t lanes = 2048, values = shape.size() * lanes;
    device_vector<float> a(values), b(values), c(values), d(values), scale(64), step(lanes);
    device_vector<std::uint8_t> flags(2 * lanes);
    for (auto* v : {&a, &b, &c, &d, &scale, &step})
        check(cudaMemsetAsync(v->data(), 0, v->size() * sizeof(float), s.handle()), "clearing");
    check(cudaMemsetAsync(flags.data(), 0, flags.size(), s.handle()), "clearing");
    const double copied =
        clock.seconds_of(s, [&] { copy_values(s.handle(), b.data(), a.data(), values, cudaMemcpyDeviceToDevice); });
    const double rate = 2. * sizeof(float) * values / copied;
    out.row("device-to-device copy", text(values, " floats"), rate / 1e12, "TB/s");
    const auto row = [&](const char* what, double images, double time) {
        out.row(what, "of the copy's bytes per second", 100 * images * sizeof(float) * values / time / rate, "%");
    };
    lane_state state;
    state.flawed = flags.data();
    state.moves = flags.data() + lanes;
    const signed_steps steps{a.data(), c.data(), d.data(), step.data(), state, static_cast<int>(lanes)};
    row("sign, step, project, clip", 5, clock.seconds_of(s, [&] {
        launch_pointwise(s.handle(), "step", shape, lanes, step_from_gradient{steps, b.data()});
    }));
    row("norm and ReLU", 2, clock.seconds_of(s, [&] {
        launch_pointwise(s.handle(), "norm", shape, lanes,
                         affine_forward<float>{a.data(), scale.data(), scale.data(), true, b.data()});
    }));
    row("batch norm, backward", 3, clock.seconds_of(s, [&] {
        launch_pointwise(s.handle(), "norm", shape, lanes,
                         batch_norm_backward<float>{a.data(), b.data(), scale.data(), scale.data(), scale.data(),
                                                    static_cast<int>(lanes), static_cast<int>(lanes),
                                                    gradient_place<float>{c.data(), a.data(), {}}});
    }));
    row("sum and ReLU", 3, clock.seconds_of(s, [&] {
        launch_pointwise(s.handle(), "sum", shape, lanes, add_forward<float>{a.data(), b.data(), true, c.data()});
    }));
}

/// Microseconds of each of the three kernels of a step on a small network, PGD on Linf.
template <class Precision, class Network, class Shape>
void small_kernels(measure::report& out, const stream& s, device_clock& clock, const std::string& name, std::size_t lanes) {
    using backend_type = backend::basic_cuda<Precision>;
    const weighted_plan<backend_type, float> m(make_plan<Network, Shape, backend_type, float>(), 1);
    machine<Precision> program(m.structure(), false, read_device());
    program.upload(s.handle(), m.parameters(), m.buffers());
    program.pack(s.handle());
    const std::size_t elements = m.structure().input().size(), classes = m.structure().classes();
    batch_session<Precision> batch(program, m.structure().input(), classes);
    batch.reserve(lanes);
    auto place = batch.place();
    place.stream = s.handle();
    const auto pixels = measure::random_images(lanes, m.structure().input());
    copy_values(s.handle(), place.input, pixels.data(), elements * lanes, cudaMemcpyHostToDevice);
    lane_memory records;
    records.reserve(lanes, 0);
    std::memset(records.host().id, 0, lanes * sizeof(std::uint64_t));
    for (std::size_t l = 0; l < lanes; ++l) {
        records.host().label[l] = records.host().target[l] = 1;
        records.host().step_size[l] = 0;
        records.host().epsilon[l] = 1;
    }
    records.upload(s.handle());
    const judge_rules rules{.steps = 1};
    const random_stream draws({});
    const int count = static_cast<int>(lanes);
    launch(s.handle(), begin_lanes<>, {.operation = "begin", .blocks = lanes / 64, .threads = 64}, rules, records.device(), draws,
           static_cast<int>(classes), count, false);
    auto network = small_network<Precision>::of(program);
    if (!network) return;
    network->reserve(lanes);
    const judgement<cross_entropy> verdict{
        {}, rules, records.device(), draws, static_cast<int>(classes), count, count, false, true, true, 0, nullptr};
    const signed_steps finish{place.input, nullptr, nullptr, records.device().step_size, records.device(), count};
    const auto row = [&](const char* what, auto&& f) {
        out.row(what, text(name, ' ', Precision::name, " batch ", lanes), 1e6 * clock.seconds_of(s, f), "us");
    };
    if (network->has_trunk()) row("small network, trunk", [&] { network->forward(place); });
    row("small network, head", [&] { network->judge(place, verdict, true); });
    if (network->has_trunk()) row("small network, trunk back", [&] { network->backward(place, finish); });
}

}  // namespace

int main(int count, char** arguments) try {
    measure::report out(count > 1 ? arguments[1] : "kernels.json");
    const auto device = read_device();
    std::cout << device.name << '\n';
    const stream s;
    device_clock clock;
    elementwise(out, s, clock);
    for (const std::size_t lanes : {128, 1024, 4096}) {
        small_kernels<fp32, networks::conv_small<>, shape<1, 28, 28>>(out, s, clock, "conv_small", lanes);
        small_kernels<tf32, networks::conv_small<>, shape<1, 28, 28>>(out, s, clock, "conv_small", lanes);
        small_kernels<tf32, networks::lenet<>, shape<3, 32, 32>>(out, s, clock, "lenet CIFAR shape", lanes);
    }
    const auto sizes = {
        std::pair<std::size_t, std::size_t>{64, 32}, {128, 16}, {256, 8}, {512, 4}, {160, 32}, {320, 16}, {640, 8}};
    const auto all = [&]<class Precision>(Precision) {
        const double product = product_rate(s, clock, std::is_same_v<Precision, bf16>);
        out.row("cuBLASLt product", text(Precision::name, " 8192x8192x8192"), product / 1e12, "TFLOP/s");
        for (const auto& [channels, side] : sizes)
            convolution<Precision>(out, s, clock, channels, side, 512, product, static_cast<std::size_t>(device.multiprocessors));
    };
    all(bf16{});
    all(tf32{});
    return 0;
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
