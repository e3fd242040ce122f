// The maps of backend/cuda/matrix_layout.cuh against CuTe's. A program of its own: CuTe needs the CUDA toolkit's headers, which
// the emulator's replace elsewhere.
#include "saddle/backend/cuda/matrix_layout.cuh"
#include "support/catch.hpp"

#include <cute/atom/mma_traits_sm90_gmma.hpp>
#include <cute/tensor.hpp>

using namespace saddle::cuda;
namespace gmma = cute::SM90::GMMA;
using bf16 = cute::bfloat16_t;

namespace {

constexpr int depth = 64;

template <int Rows, class Atom>
void check_operand() {
    using namespace cute;
    // All k of a box first, as copies of boxes leave them.
    constexpr unsigned row = size<0>(Atom{}) * sizeof(bf16);
    const auto whole = tile_to_shape(Atom{}, Shape<Int<Rows>, Int<depth>>{}, Step<_2, _1>{});
    const auto places = as_position_independent_swizzle_layout(whole);
    for (int k = 0; k < depth; ++k)
        for (int m = 0; m < Rows; ++m) {
            const auto d = operand_descriptor(static_cast<unsigned>(k / 16 * 16) * row, row, depth * row);
            CHECK(operand_address(d, static_cast<unsigned>(m), static_cast<unsigned>(k % 16)) ==
                  static_cast<unsigned>(places(m, k)) * sizeof(bf16));
        }
    alignas(1024) static bf16 memory[Rows * depth];
    const auto tensor = make_tensor(make_smem_ptr(memory), whole);
    const auto step = local_tile(tensor, Shape<Int<Rows>, _16>{}, make_coord(0, 0));
    auto expected = gmma::make_gmma_desc<gmma::Major::MN>(step);
    expected.bitfield.start_address_ = 0x123;
    if (Rows == 64) expected.bitfield.leading_byte_offset_ = depth * row >> 4;  // of one box: not read
    CHECK(operand_descriptor(0x1230, row, depth * row) == static_cast<std::uint64_t>(expected));
}

/// 128 bytes of k of each row, as one copy leaves them.
template <int Rows, class T>
void check_rows() {
    using namespace cute;
    constexpr int values = 128 / sizeof(T), step = 32 / sizeof(T);
    using atom = gmma::Layout_K_SW128_Atom<T>;
    const auto whole = tile_to_shape(atom{}, Shape<Int<Rows>, Int<values>>{});
    const auto places = as_position_independent_swizzle_layout(whole);
    for (int k = 0; k < values; ++k)
        for (int m = 0; m < Rows; ++m)
            CHECK(row_address(row_descriptor(static_cast<unsigned>(k / step * 32)), static_cast<unsigned>(m),
                              static_cast<unsigned>(k % step * static_cast<int>(sizeof(T)))) ==
                  static_cast<unsigned>(places(m, k)) * sizeof(T));
    alignas(1024) static T memory[Rows * values];
    const auto tensor = make_tensor(make_smem_ptr(memory), whole);
    auto expected = gmma::make_gmma_desc<gmma::Major::K>(local_tile(tensor, Shape<Int<Rows>, Int<step>>{}, make_coord(0, 0)));
    expected.bitfield.start_address_ = 0x123;
    CHECK(row_descriptor(0x1230) == static_cast<std::uint64_t>(expected));
}

template <int Columns>
void check_accumulator() {
    const gmma::CLayout_64xN<Columns> layout;
    for (int thread = 0; thread < 128; ++thread)
        for (int i = 0; i < Columns / 2; ++i)
            CHECK(layout(thread, i) == accumulator_row(thread, i) + 64 * accumulator_column(thread, i));
}

}  // namespace

TEST_CASE("swizzles are CuTe's") {
    for (unsigned offset = 0; offset < 8192; ++offset) {
        CHECK(swizzled(offset, 128) == cute::Swizzle<3, 4, 3>{}(offset));
        CHECK(swizzled(offset, 64) == cute::Swizzle<2, 4, 3>{}(offset));
    }
}

TEST_CASE("operands lie and are described as CuTe's MN-major layouts") {
    using wide = gmma::Layout_MN_SW128_Atom<bf16>;
    check_operand<64, wide>();
    check_operand<128, wide>();
    check_operand<256, wide>();
    check_operand<160, gmma::Layout_MN_SW64_Atom<bf16>>();
}

TEST_CASE("operands lie and are described as CuTe's K-major layouts") {
    check_rows<64, bf16>();
    check_rows<160, bf16>();
    check_rows<256, bf16>();
    check_rows<64, cute::tfloat32_t>();
    check_rows<128, cute::tfloat32_t>();
    check_rows<160, cute::tfloat32_t>();
    check_rows<256, cute::tfloat32_t>();
}

TEST_CASE("TF32 products from shared memory read 64 rows and all columns of 8 values each, K-major, and leave sums as others") {
    using traits = cute::MMA_Traits<gmma::MMA_64x256x8_F32TF32TF32_SS_TN<>>;
    CHECK(std::is_same_v<traits::FrgTypeA, gmma::smem_desc<gmma::Major::K>>);
    CHECK(std::is_same_v<traits::FrgTypeB, gmma::smem_desc<gmma::Major::K>>);
    CHECK(std::is_same_v<traits::Shape_MNK, cute::Shape<cute::_64, cute::_256, cute::_8>>);
    CHECK(std::is_same_v<traits::CLayout, gmma::CLayout_64xN<256>>);
}

TEST_CASE("TF32 operands in registers lie as CuTe's") {
    const gmma::ALayout_64x8 layout;
    for (int thread = 0; thread < 128; ++thread)
        for (int i = 0; i < 4; ++i) CHECK(layout(thread, i) == fragment_row(thread, i) + 64 * fragment_column(thread, i));
}

TEST_CASE("sums lie as CuTe's accumulator layouts") {
    check_accumulator<64>();
    check_accumulator<128>();
    check_accumulator<160>();
    check_accumulator<256>();
}
