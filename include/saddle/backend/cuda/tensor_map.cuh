#pragma once
#include "saddle/backend/cuda/bfloat16.cuh"
#include "saddle/backend/cuda/error.cuh"

#include <array>
#include <cstddef>
#include <cudaTypedefs.h>
#include <map>
#include <tuple>
#include <type_traits>

namespace saddle::cuda {

/// How copies address a dense tensor [z][y][x] by boxes whose rows are swizzled; extents and box from x to z, rows of the tensor a
/// multiple of 16 bytes, of the box 128 or 64 bytes. With `to_tf32` copies round floats to the nearest TF32 value. Throws cuda_error when
/// the driver has no such maps or refuses this one.
template <class T>
[[nodiscard]] CUtensorMap make_tensor_map(const T* base, std::array<std::size_t, 3> extents, std::array<unsigned, 3> box,
                                          bool to_tf32 = false) {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, bfloat16>);
    const auto type = std::is_same_v<T, bfloat16> ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
                      : to_tf32                   ? CU_TENSOR_MAP_DATA_TYPE_TFLOAT32
                                                  : CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
    static const auto encode = [] {
        void* found = nullptr;
        cudaDriverEntryPointQueryResult result{};
        check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result),
              "asking the driver for tensor maps");
        if (result != cudaDriverEntryPointSuccess || !found)
            throw cuda_error("cuda: the driver has no cuTensorMapEncodeTiled; CUDA 12 or newer is needed");
        return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(found);
    }();
    const std::array<cuuint64_t, 3> size{extents[0], extents[1], extents[2]};
    const std::array<cuuint64_t, 2> stride{sizeof(T) * extents[0], sizeof(T) * extents[0] * extents[1]};
    const std::array<cuuint32_t, 3> each{1, 1, 1};
    CUtensorMap map;
    const auto status =
        encode(&map, type, 3, const_cast<T*>(base), size.data(), stride.data(), box.data(), each.data(),
               CU_TENSOR_MAP_INTERLEAVE_NONE, sizeof(T) * box[0] == 128 ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_64B,
               CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (status != CUDA_SUCCESS)
        throw cuda_error(text("cuda: a tensor map of ", extents[2], "x", extents[1], "x", extents[0], " values in boxes of ",
                              box[2], "x", box[1], "x", box[0], ": driver status ", static_cast<int>(status)));
    return map;
}

/// The tensor maps of a batch at work, each asked of the driver once. A map tells addresses and extents alone, so it stays right
/// whatever is written there; whoever moves the memory or changes the number of lanes calls clear(), since it is of no use then. One
/// caller at a time.
class tensor_maps {
public:
    /// As make_tensor_map. The reference holds until clear().
    template <class T>
    [[nodiscard]] const CUtensorMap& of(const T* base, std::array<std::size_t, 3> extents, std::array<unsigned, 3> box,
                                        bool to_tf32 = false) {
        const key k{base, extents, box, to_tf32};
        const auto found = made_.find(k);
        return found != made_.end() ? found->second
                                    : made_.emplace(k, make_tensor_map(base, extents, box, to_tf32)).first->second;
    }
    void clear() { made_.clear(); }
    [[nodiscard]] std::size_t size() const { return made_.size(); }

private:
    using key = std::tuple<const void*, std::array<std::size_t, 3>, std::array<unsigned, 3>, bool>;
    std::map<key, CUtensorMap> made_;
};

}  // namespace saddle::cuda
