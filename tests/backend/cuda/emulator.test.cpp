#include "saddle/backend/cuda/launch.cuh"
#include "saddle/backend/cuda/ptx.cuh"
#include "support/catch.hpp"

#include <cmath>
#include <vector>

using namespace saddle;
using namespace saddle::cuda;

// The emulator must catch what it is there for: otherwise every test that runs in it proves nothing.
namespace {

/// Each thread reads what its neighbour wrote; Barrier says whether it waits for it.
template <bool Barrier>
__global__ void rotate(const float* in, float* out) {
    float* const shared = shared_memory<float>();
    shared[threadIdx.x] = in[threadIdx.x];
    if constexpr (Barrier) __syncthreads();
    out[threadIdx.x] = shared[(threadIdx.x + 1) % blockDim.x];
}

template <bool Barrier>
std::vector<float> rotated(bool reverse) {
    std::vector<float> in(64), out(64);
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i);
    cuda_emulator::reverse_order = reverse;
    launch(nullptr, rotate<Barrier>, {.operation = "rotate", .threads = 64, .shared = 64 * sizeof(float)},
           static_cast<const float*>(in.data()), out.data());
    cuda_emulator::reverse_order = false;
    return out;
}

__global__ void different_barriers() {
    if (threadIdx.x < 16)
        __syncthreads();
    else
        __syncwarp();
}
__global__ void forgets_to_wait(const float* in, float* out) {
    float* const shared = shared_memory<float>();
    copy_async_16(shared + 4 * threadIdx.x, in + 4 * threadIdx.x, threadIdx.x % 2 == 0);
    copy_async_commit();
    out[4 * threadIdx.x] = shared[4 * threadIdx.x];
    copy_async_wait<0>();
    out[4 * threadIdx.x + 1] = shared[4 * threadIdx.x + 1];
}
__global__ void asks_whether_any(int* out, int chosen) {
    out[threadIdx.x] = __syncthreads_or(static_cast<int>(threadIdx.x) == chosen);
}

/// C[16][8] = A[16][K] · B[K][8] by one warp, operands gathered as the documented layouts say.
__global__ void one_tf32_product(const float* a, const float* b, float* c) {
    const int group = static_cast<int>(threadIdx.x) / 4, place = static_cast<int>(threadIdx.x) % 4;
    std::uint32_t left[4], right[2];
    for (int i = 0; i < 4; ++i) left[i] = round_to_tf32(a[(group + i % 2 * 8) * 8 + place + i / 2 * 4]);
    for (int i = 0; i < 2; ++i) right[i] = round_to_tf32(b[(place + 4 * i) * 8 + group]);
    float sum[4] = {};
    multiply_tf32(sum, left, right);
    for (int i = 0; i < 4; ++i) c[(group + i / 2 * 8) * 8 + 2 * place + i % 2] = sum[i];
}
__global__ void one_bf16_product(const bfloat16* a, const bfloat16* b, float* c) {
    bfloat16* const shared = shared_memory<bfloat16>();
    for (int i = static_cast<int>(threadIdx.x); i < 256; i += 32) shared[i] = a[i];
    for (int i = static_cast<int>(threadIdx.x); i < 256; i += 32)
        shared[256 + i] = i % 16 < 8 ? b[i / 16 * 8 + i % 16] : bfloat16(0.f);
    __syncwarp();
    const int matrix = static_cast<int>(threadIdx.x) / 8, row = static_cast<int>(threadIdx.x) % 8;
    std::uint32_t left[4], right[4];
    load_matrix(left, shared + (row + matrix % 2 * 8) * 16 + matrix / 2 * 8);
    load_matrix_transposed(right, shared + 256 + (row + matrix % 2 * 8) * 16 + matrix / 2 * 8);
    const std::uint32_t columns[2] = {right[0], right[1]};
    float sum[4] = {};
    multiply_bf16(sum, left, columns);
    const int group = static_cast<int>(threadIdx.x) / 4, place = static_cast<int>(threadIdx.x) % 4;
    for (int i = 0; i < 4; ++i) c[(group + i / 2 * 8) * 8 + 2 * place + i % 2] = sum[i];
}

}  // namespace

TEST_CASE("a kernel with its barriers gives the same in both orders of threads", "[cuda]") {
    CHECK(rotated<true>(false) == rotated<true>(true));
    CHECK(rotated<true>(false)[5] == 6);
}

#if !defined(__SANITIZE_THREAD__)
TEST_CASE("a kernel without a barrier reads NaN or another order's values", "[cuda]") {
    const auto forward = rotated<false>(false), reverse = rotated<false>(true);
    CHECK(std::isnan(forward[5]));
    CHECK(reverse[5] == 6);
    CHECK(std::isnan(reverse[63]) != std::isnan(forward[63]));
}
#endif

#if defined(__SANITIZE_THREAD__)
// Hidden, since it must fail: ThreadSanitizer reports the race and ends the program with its own status.
TEST_CASE("a kernel without a barrier is a race", "[.race]") { (void)rotated<false>(false); }
#endif

TEST_CASE("threads that wait at different barriers are an error, not a hang", "[cuda]") {
    CHECK_THROWS_AS(launch(nullptr, different_barriers, {.operation = "barriers", .threads = 64}), cuda_emulator::kernel_error);
}

TEST_CASE("asynchronous copies arrive when they are waited for, not before", "[cuda]") {
    const std::vector<float> in(16, 3.f);
    std::vector<float> out(16);
    launch(nullptr, forgets_to_wait, {.operation = "copies", .threads = 4, .shared = 64}, in.data(), out.data());
    CHECK(std::isnan(out[0]));
    CHECK(out[1] == 3);
    CHECK(out[5] == 0);
}

TEST_CASE("the block's vote reaches every thread", "[cuda]") {
    std::vector<int> out(64);
    launch(nullptr, asks_whether_any, {.operation = "vote", .threads = 64}, out.data(), 17);
    CHECK(out == std::vector<int>(64, 1));
    launch(nullptr, asks_whether_any, {.operation = "vote", .threads = 64}, out.data(), -1);
    CHECK(out == std::vector<int>(64, 0));
}

TEST_CASE("matrix products follow the fragment layouts of the PTX manual", "[cuda]") {
    std::vector<float> a(16 * 8), b(8 * 8), c(16 * 8);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(static_cast<int>(i * 7 % 13) - 6);
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(static_cast<int>(i * 5 % 11) - 5);
    launch(nullptr, one_tf32_product, {.operation = "product", .threads = 32}, static_cast<const float*>(a.data()),
           static_cast<const float*>(b.data()), c.data());
    for (std::size_t r = 0; r < 16; ++r)
        for (std::size_t n = 0; n < 8; ++n) {
            float sum = 0;
            for (std::size_t k = 0; k < 8; ++k) sum += a[r * 8 + k] * b[k * 8 + n];
            CHECK(c[r * 8 + n] == sum);
        }
    std::vector<bfloat16> wide_a(256), wide_b(128);
    for (std::size_t i = 0; i < wide_a.size(); ++i) wide_a[i] = bfloat16(static_cast<float>(static_cast<int>(i * 7 % 13) - 6));
    for (std::size_t i = 0; i < wide_b.size(); ++i) wide_b[i] = bfloat16(static_cast<float>(static_cast<int>(i * 5 % 11) - 5));
    launch(nullptr, one_bf16_product, {.operation = "product", .threads = 32, .shared = 1024},
           static_cast<const bfloat16*>(wide_a.data()), static_cast<const bfloat16*>(wide_b.data()), c.data());
    for (std::size_t r = 0; r < 16; ++r)
        for (std::size_t n = 0; n < 8; ++n) {
            float sum = 0;
            for (std::size_t k = 0; k < 16; ++k)
                sum += static_cast<float>(wide_a[r * 16 + k]) * static_cast<float>(wide_b[k * 8 + n]);
            CHECK(c[r * 8 + n] == sum);
        }
}

TEST_CASE("bfloat16 rounds to the nearest, ties to even, and keeps NaN and infinity", "[cuda]") {
    CHECK(static_cast<float>(bfloat16(1.00390625f)) == 1.f);        // a tie: 1 + 2^-8
    CHECK(static_cast<float>(bfloat16(1.01171875f)) == 1.015625f);  // a tie to the even neighbour above
    CHECK(static_cast<float>(bfloat16(1.0040f)) == 1.0078125f);
    CHECK(std::isnan(static_cast<float>(bfloat16(std::nanf("")))));
    CHECK(std::isinf(static_cast<float>(bfloat16(3.4e38f))));
    CHECK(std::bit_cast<float>(round_to_tf32(1.f + 0x1p-11f)) == 1.f + 0x1p-10f);
}

TEST_CASE("a launch that cannot be names the operation and its shape", "[cuda]") {
    try {
        launch(nullptr, asks_whether_any, {.operation = "vote", .threads = 64, .shared = 300 * 1024}, static_cast<int*>(nullptr),
               0);
        FAIL("300 KiB of shared memory were granted");
    } catch (const std::exception& problem) {
        CHECK(std::string(problem.what()).find("shared memory") != std::string::npos);
    }
}
