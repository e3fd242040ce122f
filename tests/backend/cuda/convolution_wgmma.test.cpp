#include "saddle/backend/cuda/convolution_wgmma.cuh"
#include "support/cuda_kernels.hpp"

using namespace saddle;
using namespace saddle::cuda;

namespace {

template <std::size_t Tile>
void check_wgmma(const convolution_shape& s, std::size_t lanes) {
    INFO("tile " << Tile);
    check_convolution<bf16>(s, lanes, [&](const auto* source, const auto* weights, const auto& e) {
        tensor_maps maps;
        cuda::detail::launch_wgmma_tile<Tile>(nullptr, s, source, weights, e, lanes, maps);
    });
}

/// What a block may get wrong with barriers and asynchronous copies; each is a number.
enum class mistake { none, no_wait_for_copy, no_wait_for_products, no_wait_for_place, wrong_bytes, leaves_early };

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
            warpgroup_fence();
            multiply_warpgroup<false>(sum, operand_descriptor(shared_offset(shared), 128, box),
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
    check_wgmma<0>(padded(64, 250).forward, 128);
    check_wgmma<1>(strided(40, 160).backward, 128);
    check_wgmma<2>(padded(65, 100).backward, 128);
    check_wgmma<3>(strided(70, 66).forward, 128);
    check_wgmma<4>(padded(33, 64).forward, 64);
    check_wgmma<4>(strided(64, 34).backward, 128);
    check_wgmma<3>(convolution_pair({1, 1, 1, 0}, {300, 1, 1}, {40, 1, 1}).forward, 128);
}

TEST_CASE("tiles of wgmma give the same bits", "[cuda][wgmma]") {
    const auto s = strided(72, 160).forward;
    constexpr std::size_t lanes = 128;
    const auto x = random_values<bfloat16>(72 * 12 * lanes, 0);
    const auto raw = random_values<float>(72 * 160 * 6, 1);
    std::vector<bfloat16> packed(packed_size(s));
    launch_pack<bf16>(nullptr, raw.data(), nullptr, s, packed.data());
    const auto sums = [&]<std::size_t Tile>(std::integral_constant<std::size_t, Tile>) {
        std::vector<float> out(160 * 6 * lanes);
        const epilogue<float> e{.out = out.data()};
        tensor_maps maps;
        cuda::detail::launch_wgmma_tile<Tile>(nullptr, s, x.data(), packed.data(), e, lanes, maps);
        return out;
    };
    const auto first = sums(std::integral_constant<std::size_t, 0>{});
    CHECK(sums(std::integral_constant<std::size_t, 1>{}) == first);
    CHECK(sums(std::integral_constant<std::size_t, 3>{}) == first);
    CHECK(sums(std::integral_constant<std::size_t, 4>{}) == first);
}

TEST_CASE("a tile is chosen that divides the lanes and wastes few columns", "[cuda][wgmma]") {
    CHECK(tuning::choose_wgmma_tile(64, 512, 640, 132) == 1);
    CHECK(tuning::choose_wgmma_tile(64, 512, 256, 132) == 0);
    CHECK(tuning::choose_wgmma_tile(1024, 512, 64, 132) == 3);
    CHECK(tuning::choose_wgmma_tile(1024, 64, 512, 132) == 4);
}

TEST_CASE("the emulator catches what a pipeline of copies and products may get wrong", "[cuda][wgmma]") {
    CHECK(sums_are_right<mistake::none>());
    CHECK_FALSE(sums_are_right<mistake::no_wait_for_products>());
    CHECK_THROWS_AS(sums_are_right<mistake::no_wait_for_place>(), cuda_emulator::kernel_error);
    CHECK_THROWS_AS(sums_are_right<mistake::no_wait_for_copy>(), cuda_emulator::kernel_error);
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

TEST_CASE("a tensor map that the driver refuses is an error with its shape", "[cuda][wgmma]") {
    const std::vector<bfloat16> values(64);
    CHECK_THROWS_WITH(make_tensor_map(values.data(), {60, 1, 1}, {64, 1, 64}), Catch::Matchers::Contains("1x1x60"));
}
