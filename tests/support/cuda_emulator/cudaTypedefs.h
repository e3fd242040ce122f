#pragma once
#include <cuda_runtime.h>

/// Stands where the toolkit's header would: tensor maps of three extents of 16-bit or 32-bit values in a swizzle, kept in plain
/// numbers, and the driver's function that makes them, with the conditions that the driver's manual names.

using cuuint32_t = std::uint32_t;
using cuuint64_t = std::uint64_t;
enum CUresult { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_VALUE = 1 };
enum CUtensorMapDataType {
    CU_TENSOR_MAP_DATA_TYPE_FLOAT32 = 7,
    CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9,
    CU_TENSOR_MAP_DATA_TYPE_TFLOAT32 = 11
};
enum CUtensorMapInterleave { CU_TENSOR_MAP_INTERLEAVE_NONE };
enum CUtensorMapSwizzle { CU_TENSOR_MAP_SWIZZLE_64B = 64, CU_TENSOR_MAP_SWIZZLE_128B = 128 };
enum CUtensorMapL2promotion { CU_TENSOR_MAP_L2_PROMOTION_L2_256B };
enum CUtensorMapFloatOOBfill { CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE };

struct alignas(64) CUtensorMap {
    const unsigned char* base;
    cuuint64_t extent[3], stride[3];   ///< values, bytes
    cuuint32_t box[3], swizzle, each;  ///< values, bytes, bytes of a value
    bool to_tf32;                      ///< copies round
};

using PFN_cuTensorMapEncodeTiled_v12000 = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t rank, void*,
                                                       const cuuint64_t* extents, const cuuint64_t* strides,
                                                       const cuuint32_t* box, const cuuint32_t* each, CUtensorMapInterleave,
                                                       CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

namespace cuda_emulator {

inline std::size_t tensor_maps_made = 0;

/// The manual does not say how copies of a TFLOAT32 map round. To the nearest, ties to even, if not told to cut.
inline bool copies_cut = false;

inline std::uint32_t copied_as_tf32(std::uint32_t bits) {
    if (copies_cut) return bits & 0xffffe000u;
    return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0xfffu + (bits >> 13 & 1u)) & 0xffffe000u;
}

inline CUresult encode_tensor_map(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* base,
                                  const cuuint64_t* extents, const cuuint64_t* strides, const cuuint32_t* box,
                                  const cuuint32_t* each, CUtensorMapInterleave, CUtensorMapSwizzle swizzle,
                                  CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
    const cuuint32_t bytes = type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 ? 2 : 4;
    bool allowed =
        rank == 3 && reinterpret_cast<std::uintptr_t>(base) % 16 == 0 && bytes * box[0] <= static_cast<cuuint32_t>(swizzle);
    for (std::size_t i = 0; i < 3; ++i) {
        allowed = allowed && extents[i] > 0 && extents[i] <= cuuint64_t{1} << 32 && box[i] > 0 && box[i] <= 256 && each[i] == 1;
        if (i > 0) allowed = allowed && strides[i - 1] % 16 == 0 && strides[i - 1] < cuuint64_t{1} << 40;
    }
    if (!allowed) return CUDA_ERROR_INVALID_VALUE;
    ++tensor_maps_made;
    *map = {static_cast<const unsigned char*>(base), {extents[0], extents[1], extents[2]},
            {bytes, strides[0], strides[1]},         {box[0], box[1], box[2]},
            static_cast<cuuint32_t>(swizzle),        bytes,
            type == CU_TENSOR_MAP_DATA_TYPE_TFLOAT32};
    return CUDA_SUCCESS;
}

}  // namespace cuda_emulator

enum cudaDriverEntryPointQueryResult { cudaDriverEntryPointSuccess, cudaDriverEntryPointSymbolNotFound };
inline constexpr unsigned long long cudaEnableDefault = 0;
inline cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** found, unsigned, unsigned long long,
                                                    cudaDriverEntryPointQueryResult* result) {
    const bool known = std::string(symbol) == "cuTensorMapEncodeTiled";
    *found = known ? reinterpret_cast<void*>(&cuda_emulator::encode_tensor_map) : nullptr;
    *result = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
    return cudaSuccess;
}
