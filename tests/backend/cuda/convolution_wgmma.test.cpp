#include "saddle/backend/cuda/convolution_wgmma.cuh"
#include "support/cuda_kernels.hpp"

#include <limits>
#include <set>

using namespace saddle;
using namespace saddle::cuda;

namespace {

/// Weights as implicit_gemm_wgmma wants them.
template <class Precision>
std::vector<typename Precision::storage> packed_for_wgmma(const convolution_shape& s, const std::vector<float>& raw) {
    std::vector<typename Precision::storage> packed(wgmma_packed_size<Precision>(s));
    if constexpr (std::is_same_v<Precision, tf32>)
        launch_pack_for_wgmma(nullptr, raw.data(), nullptr, s, packed.data());
    else
        launch_pack<Precision>(nullptr, raw.data(), nullptr, s, packed.data());
    return packed;
}

template <class Precision, std::size_t Tile>
void check_wgmma(const convolution_shape& s, std::size_t lanes) {
    INFO("tile " << Tile);
    check_convolution<Precision>(
        s, lanes,
        [&](const auto* source, const auto* weights, const auto& e) {
            tensor_maps maps;
            cuda::detail::launch_wgmma_tile<Precision, Tile>(nullptr, s, source, {&maps, weights}, e, lanes);
        },
        [&](const std::vector<float>& raw) { return packed_for_wgmma<Precision>(s, raw); });
}

template <class Precision, std::size_t Tile>
void gradient_by_wgmma(const convolution_shape& s, std::size_t lanes, const typename Precision::storage* x,
                       const typename Precision::storage* dy, float* gradient) {
    const auto cut = gradient_cut::by_wgmma<Precision>(s, lanes, Tile);
    tensor_maps maps;
    std::vector<float> partial(cut.partial_size(s), std::numeric_limits<float>::quiet_NaN());
    cuda::detail::launch_gradient_wgmma_tile<Precision, Tile>(nullptr, s, cut, x, dy, lanes, partial.data(), maps);
    cuda::detail::launch_fold(nullptr, s, cut, partial.data(), gradient);
}
template <class Precision, std::size_t Tile>
void check_gradient(const convolution_shape& s, std::size_t lanes) {
    INFO("tile " << Tile);
    check_weight_gradient<Precision>(s, lanes, [&](const auto* x, const auto* dy, float* gradient) {
        gradient_by_wgmma<Precision, Tile>(s, lanes, x, dy, gradient);
    });
}

/// What a block may get wrong with barriers and asynchronous copies; each is a number.
enum class mistake { none, no_wait_for_copy, no_wait_for_products, no_wait_for_place, no_fence, wrong_bytes, leaves_early };

/// Row 0 of two boxes in turn through one place in shared memory, copied by the last warp, summed up by a product with ones.
template <mistake Mistake>
__global__ void sum_boxes(const __grid_constant__ CUtensorMap tensor, float* out) {
    unsigned char* const shared = shared_memory<unsigned char>();
    constexpr unsigned box = 16 * 128, ones_at = 2048, barriers_at = 4096;
    arrival_barrier* const full = reinterpret_cast<arrival_barrier*>(shared + barriers_at);
    arrival_barrier* const empty = full + 1;
    const int thread = static_cast<int>(threadIdx.x);
    for (int i = thread; i < 16 * 64; i += 160) reinterpret_cast<bfloat16*>(shared + ones_at)[i] = bfloat16(1.f);
    if (thread == 0) {
        make_barrier(full, 1);
        make_barrier(empty, 4);
        publish_barriers();
    }
    __syncthreads();
    if (thread == 128)
        for (int i = 0; i < 2; ++i) {
            if (i > 0 && Mistake != mistake::no_wait_for_place) wait_for_phase(empty, 0);
            arrive_and_expect(full, Mistake == mistake::wrong_bytes ? box + 16 : box);
            copy_box_async(shared, &tensor, 0, i, 0, full);
        }
    float sum[32] = {};
    if (thread < 128 && Mistake != mistake::leaves_early)
        for (unsigned i = 0; i < 2; ++i) {
            if (Mistake != mistake::no_wait_for_copy || i > 0) wait_for_phase(full, i);
            if (Mistake != mistake::no_fence) warpgroup_fence();
            multiply_warpgroup<bfloat16, false>(sum, operand_descriptor(shared_offset(shared), 128, box),
                                                operand_descriptor(shared_offset(shared) + ones_at, 128, box));
            warpgroup_commit();
            if (Mistake != mistake::no_wait_for_products) warpgroup_wait<0>();
            if (thread % 32 == 0) arrive(empty);
        }
    warpgroup_wait<0>();
    if (thread < 128) out[thread] = sum[0];
}

/// Sums of 16 values for 64 columns each of two boxes, and whether all are right.
template <mistake Mistake>
bool sums_are_right() {
    std::vector<bfloat16> values(16 * 2 * 64);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = bfloat16(static_cast<float>(i * 7 % 31));
    const auto map = make_tensor_map(values.data(), {64, 2, 16}, {64, 1, 16});
    std::vector<float> out(128);
    launch(nullptr, sum_boxes<Mistake>, {.operation = "sums", .threads = 160, .shared = 4096 + 16}, map, out.data());
    bool right = true;
    for (int thread = 0; thread < 128; ++thread) {
        float sum = 0;
        for (std::size_t k = 0; k < 32; ++k)
            sum += static_cast<float>(values[k * 64 + static_cast<std::size_t>(accumulator_row(thread, 0))]);
        right = right && out[static_cast<std::size_t>(thread)] == sum;
    }
    return right;
}

}  // namespace

TEST_CASE("every tile of the convolution by wgmma sums its taps and finishes them", "[cuda][wgmma]") {
    check_wgmma<bf16, 0>(padded(33, 250).forward, 128);
    check_wgmma<bf16, 1>(strided(40, 160).backward, 128);
    check_wgmma<bf16, 2>(strided(65, 100).backward, 128);
    check_wgmma<bf16, 3>(strided(70, 66).forward, 128);
    check_wgmma<bf16, 4>(padded(33, 64).forward, 64);
    check_wgmma<bf16, 4>(strided(64, 34).backward, 128);
    check_wgmma<bf16, 3>(convolution_pair({1, 1, 1, 0}, {300, 1, 1}, {40, 1, 1}).forward, 128);
}

TEST_CASE("every tile of the convolution by wgmma in TF32 does", "[cuda][wgmma]") {
    check_wgmma<tf32, 0>(padded(33, 170).forward, 128);
    check_wgmma<tf32, 1>(padded(36, 100).backward, 128);
    check_wgmma<tf32, 2>(strided(70, 66).forward, 128);
    check_wgmma<tf32, 3>(padded(33, 64).forward, 64);
    check_wgmma<tf32, 3>(strided(65, 34).backward, 128);
    check_wgmma<tf32, 3>(convolution_pair({1, 1, 1, 0}, {300, 1, 1}, {40, 1, 1}).forward, 64);
}

TEMPLATE_TEST_CASE("tiles of wgmma give the same bits", "[cuda][wgmma]", bf16, tf32) {
    using S = typename TestType::storage;
    const auto s = strided(72, 160).forward;
    constexpr std::size_t lanes = 128;
    const auto x = random_values<S>(72 * 12 * lanes, 0);
    const auto packed = packed_for_wgmma<TestType>(s, random_values<float>(72 * 160 * 6, 1));
    const auto sums = [&]<std::size_t Tile>(std::integral_constant<std::size_t, Tile>) {
        std::vector<float> out(160 * 6 * lanes);
        const epilogue<float> e{.out = out.data()};
        tensor_maps maps;
        cuda::detail::launch_wgmma_tile<TestType, Tile>(nullptr, s, x.data(), {&maps, packed.data()}, e, lanes);
        return out;
    };
    const auto first = sums(std::integral_constant<std::size_t, 0>{});
    CHECK(sums(std::integral_constant<std::size_t, 1>{}) == first);
    CHECK(sums(std::integral_constant<std::size_t, 2>{}) == first);
    CHECK(sums(std::integral_constant<std::size_t, 3>{}) == first);
}

TEST_CASE("the threads of a warp read the source of TF32 products from different banks", "[cuda][wgmma]") {
    for (int i = 0; i < 4; ++i)
        for (int warp = 0; warp < 4; ++warp) {
            std::set<unsigned> banks;
            for (int thread = 32 * warp; thread < 32 * warp + 32; ++thread) {
                const int channel = channel_at_place(fragment_column(thread, i)), lane = fragment_row(thread, i) % 32;
                banks.insert(swizzled(static_cast<unsigned>(channel * 128 + lane * 4), 128) / 4 % 32);
            }
            CHECK(banks.size() == 32);
        }
    std::set<int> channels;
    for (int place = 8; place < 16; ++place) channels.insert(channel_at_place(place));
    CHECK((channels.size() == 8 && *channels.begin() == 8 && *channels.rbegin() == 15));
}

TEMPLATE_TEST_CASE("every tile of the weight gradient by wgmma sums over pixels and lanes", "[cuda][wgmma]", bf16, tf32) {
    check_gradient<TestType, 0>(strided(33, 130).forward, 64);
    check_gradient<TestType, 1>(strided(161, 40).forward, 64);
    check_gradient<TestType, 2>(strided(100, 65).forward, 64);
    check_gradient<TestType, 3>(strided(40, 129).forward, 64);
    check_gradient<TestType, 4>(padded(40, 33).forward, 192);
    check_gradient<TestType, 4>(strided(65, 66).forward, 64);
    check_gradient<TestType, 4>(convolution_pair({3, 3, 1, 1}, {32, 6, 3}, {34, 6, 3}).forward, 64);  // several parts
    check_gradient<TestType, 2>(convolution_pair({1, 1, 1, 0}, {128, 1, 1}, {40, 1, 1}).forward,
                                20 * tuning::wgmma_gradient_tile_at<TestType, 2>::depth);
}

TEST_CASE("both operands of a weight gradient by wgmma in TF32 are rounded", "[cuda][wgmma]") {
    const auto s = convolution_pair({1, 1, 1, 0}, {40, 1, 1}, {33, 1, 1}).forward;
    constexpr std::size_t lanes = 64;
    const float step = 0x1p-10f;  // from 1 to the next TF32 value
    const auto sum_of = [&](float x, float dy) {
        const std::vector<float> left(40 * lanes, x), right(33 * lanes, dy);
        std::vector<float> gradient(40 * 33);
        gradient_by_wgmma<tf32, 4>(s, lanes, left.data(), right.data(), gradient.data());
        CHECK(std::set<float>(gradient.begin(), gradient.end()).size() == 1);
        return gradient[0];
    };
    CHECK(sum_of(1 + .75f * step, 1) == lanes * (1 + step));
    CHECK(sum_of(1 + .25f * step, 1) == lanes);
    CHECK(sum_of(1, 1 - .4f * step) == lanes * (1 - .5f * step));
    CHECK(sum_of(1, 1 - .2f * step) == lanes);
}

TEST_CASE("a weight gradient by wgmma in TF32 holds its bar even if copies cut the last bits off", "[cuda][wgmma]") {
    cuda_emulator::copies_cut = true;
    check_gradient<tf32, 4>(strided(65, 66).forward, 64);
    cuda_emulator::copies_cut = false;
}

TEMPLATE_TEST_CASE("the cut of a weight gradient by wgmma depends on shapes alone and wastes little", "[cuda][wgmma]", bf16,
                   tf32) {
    CHECK(tuning::choose_wgmma_gradient_tile<TestType>(512, 512) == 0);
    CHECK(tuning::choose_wgmma_gradient_tile<TestType>(160, 160) == 1);
    CHECK(tuning::choose_wgmma_gradient_tile<TestType>(128, 128) == 2);
    CHECK(tuning::choose_wgmma_gradient_tile<TestType>(128, 64) == 3);
    CHECK(tuning::choose_wgmma_gradient_tile<TestType>(64, 64) == 4);
    const auto wide = convolution_pair({3, 3, 1, 1}, {64, 32, 32}, {64, 32, 32}).forward;
    const auto cut = gradient_cut::by_wgmma<TestType>(wide, 512, wgmma_gradient_tile_of<TestType>(wide));
    CHECK((cut.tiles == 9 && cut.parts == 57));
    CHECK(gradient_scratch<TestType>(wide, 512, true) ==
          std::max(cut.partial_size(wide), gradient_scratch<TestType>(wide, 512, false)));
}

TEST_CASE("a tile is chosen that divides the lanes and wastes few columns", "[cuda][wgmma]") {
    CHECK(tuning::choose_wgmma_tile<bf16>(64, 512, 640, 132) == 1);
    CHECK(tuning::choose_wgmma_tile<bf16>(64, 512, 256, 132) == 0);
    CHECK(tuning::choose_wgmma_tile<bf16>(1024, 512, 64, 132) == 3);
    CHECK(tuning::choose_wgmma_tile<bf16>(1024, 64, 512, 132) == 4);
}

TEST_CASE("the emulator catches what a pipeline of copies and products may get wrong", "[cuda][wgmma]") {
    CHECK(sums_are_right<mistake::none>());
    CHECK_FALSE(sums_are_right<mistake::no_wait_for_products>());
    CHECK_THROWS_AS(sums_are_right<mistake::no_wait_for_place>(), cuda_emulator::kernel_error);
    CHECK_THROWS_AS(sums_are_right<mistake::no_wait_for_copy>(), cuda_emulator::kernel_error);
    CHECK_THROWS_AS(sums_are_right<mistake::no_fence>(), cuda_emulator::kernel_error);
    CHECK_THROWS_AS(sums_are_right<mistake::wrong_bytes>(), cuda_emulator::kernel_error);
    CHECK_THROWS_AS(sums_are_right<mistake::leaves_early>(), cuda_emulator::kernel_error);
}

TEST_CASE("tensor maps are asked of the driver once for each address, shape and box", "[cuda][wgmma]") {
    const std::vector<bfloat16> values(2 * 64 * 64);
    tensor_maps maps;
    const std::size_t before = cuda_emulator::tensor_maps_made;
    const CUtensorMap* const first = &maps.of(values.data(), {64, 2, 64}, {64, 1, 64});
    CHECK(&maps.of(values.data(), {64, 2, 64}, {64, 1, 64}) == first);
    CHECK(cuda_emulator::tensor_maps_made == before + 1);
    CHECK(maps.of(values.data(), {64, 2, 64}, {64, 1, 32}).box[2] == 32);
    CHECK(maps.of(values.data(), {64, 1, 64}, {64, 1, 64}).extent[1] == 1);
    CHECK(maps.of(values.data() + 64, {64, 1, 64}, {64, 1, 64}).base == first->base + 128);
    CHECK(&maps.of(values.data(), {64, 2, 64}, {64, 1, 64}) == first);
    CHECK((maps.size() == 4 && cuda_emulator::tensor_maps_made == before + 4));
    maps.clear();
    CHECK(maps.of(values.data(), {64, 2, 64}, {64, 1, 64}).extent[0] == 64);
    CHECK((maps.size() == 1 && cuda_emulator::tensor_maps_made == before + 5));
}

TEST_CASE("tensor maps whose copies round are others than those whose copies do not", "[cuda][wgmma]") {
    const std::vector<float> values(32 * 32);
    tensor_maps maps;
    const CUtensorMap* const plain = &maps.of(values.data(), {32, 1, 32}, {32, 1, 32});
    const CUtensorMap* const rounding = &maps.of(values.data(), {32, 1, 32}, {32, 1, 32}, true);
    CHECK((maps.size() == 2 && !plain->to_tf32 && rounding->to_tf32));
    CHECK(&maps.of(values.data(), {32, 1, 32}, {32, 1, 32}) == plain);
}

TEST_CASE("a tensor map that the driver refuses is an error with its shape", "[cuda][wgmma]") {
    const std::vector<bfloat16> values(64);
    CHECK_THROWS_WITH(make_tensor_map(values.data(), {60, 1, 1}, {64, 1, 64}), Catch::Matchers::Contains("1x1x60"));
}
