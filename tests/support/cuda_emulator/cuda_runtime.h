#pragma once
#include "fibers.hpp"

#include <cmath>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <tuple>

/// Stands where the CUDA toolkit's header would: the part of the runtime that the library uses, on host memory and at once.
/// Kernels launch through fibers; a captured graph is the list of what was asked for. Found before the toolkit's by the include
/// path of the tests, so that the library's own files know nothing of it.

#define __global__
#define __device__
#define __host__
#define __shared__
#define __launch_bounds__(...)
#define __grid_constant__
#define __forceinline__ inline

namespace cuda_emulator {

/// One component of a built-in index, looked up when it is read.
template <index3 machine::*Index, unsigned index3::*Component>
struct component {
    operator unsigned() const {
        const unseen internals;
        return (machine::instance().*Index).*Component;
    }
};
template <index3 machine::*Index>
struct built_in {
    component<Index, &index3::x> x;
    component<Index, &index3::y> y;
    component<Index, &index3::z> z;
};

alignas(1024) inline unsigned char shared_memory[shared_limit];

struct graph {
    std::vector<std::function<void()>> nodes;
};
struct stream {
    graph* capturing = nullptr;
};
inline std::recursive_mutex& device_lock() {
    static std::recursive_mutex it;
    return it;
}
inline std::map<const void*, std::size_t>& shared_limits() {
    static std::map<const void*, std::size_t> it;
    return it;
}
/// What the next allocation may not exceed, for tests of running out of memory.
inline std::size_t memory_limit = std::size_t(-1);
/// What the device has, and what of it is allocated; pinned memory of the host is no part of it.
inline std::size_t device_memory = std::size_t{1} << 32;
inline std::size_t memory_in_use = 0;
inline std::map<const void*, std::size_t> allocations;
inline std::size_t launches = 0;
/// Bytes that copies have brought to the device and to the host.
inline std::size_t bytes_to_device = 0, bytes_to_host = 0;

}  // namespace cuda_emulator

inline constexpr cuda_emulator::built_in<&cuda_emulator::machine::thread_index> threadIdx{};
inline constexpr cuda_emulator::built_in<&cuda_emulator::machine::block_index> blockIdx{};
inline constexpr cuda_emulator::built_in<&cuda_emulator::machine::block_extent> blockDim{};
inline constexpr cuda_emulator::built_in<&cuda_emulator::machine::grid_extent> gridDim{};

inline void __syncthreads() { cuda_emulator::machine::instance().wait(cuda_emulator::wait_for::block, "__syncthreads"); }
inline int __syncthreads_or(int value) { return cuda_emulator::machine::instance().any(value != 0); }
inline void __syncwarp(unsigned = 0xffffffffu) {
    cuda_emulator::machine::instance().wait(cuda_emulator::wait_for::warp, "__syncwarp");
}

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorMemoryAllocation = 2, cudaErrorNoDevice = 100 };
inline const char* cudaGetErrorName(cudaError_t e) {
    return e == cudaSuccess                 ? "cudaSuccess"
           : e == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation"
                                            : "cudaErrorInvalidValue";
}
inline const char* cudaGetErrorString(cudaError_t e) {
    return e == cudaSuccess ? "no error" : e == cudaErrorMemoryAllocation ? "out of memory" : "invalid argument";
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }

using cudaStream_t = cuda_emulator::stream*;
using cudaGraph_t = cuda_emulator::graph*;
using cudaGraphExec_t = cuda_emulator::graph*;
enum cudaStreamCaptureMode { cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal };
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount,
    cudaDevAttrComputeCapabilityMajor,
    cudaDevAttrComputeCapabilityMinor,
    cudaDevAttrMaxSharedMemoryPerBlockOptin
};
struct cudaDeviceProp {
    char name[256];
    std::size_t totalGlobalMem;
};
struct cudaLaunchAttribute {};
struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    std::size_t dynamicSmemBytes = 0;
    cudaStream_t stream = nullptr;
    cudaLaunchAttribute* attrs = nullptr;
    unsigned numAttrs = 0;
};

inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr what, int) {
    *value = what == cudaDevAttrMultiProcessorCount            ? 4
             : what == cudaDevAttrMaxSharedMemoryPerBlockOptin ? static_cast<int>(cuda_emulator::shared_limit)
             : what == cudaDevAttrComputeCapabilityMajor       ? 9
                                                               : 0;
    return cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    std::strcpy(properties->name, "emulated device");
    properties->totalGlobalMem = cuda_emulator::device_memory;
    return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
    *total = cuda_emulator::device_memory;
    *free = *total - cuda_emulator::memory_in_use;
    return cudaSuccess;
}

inline cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
    if (bytes > cuda_emulator::memory_limit) return cudaErrorMemoryAllocation;
    *memory = ::operator new (bytes, std::align_val_t{256});
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (std::size_t i = 0; i + 4 <= bytes; i += 4) std::memcpy(static_cast<char*>(*memory) + i, &nan, 4);
    return cudaSuccess;
}
inline cudaError_t cudaFreeHost(void* memory) { return ::operator delete (memory, std::align_val_t{256}), cudaSuccess; }
inline cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
    using namespace cuda_emulator;
    std::lock_guard lock(device_lock());
    if (bytes > device_memory - memory_in_use || cudaMallocHost(memory, bytes) != cudaSuccess) return cudaErrorMemoryAllocation;
    memory_in_use += bytes;
    allocations[*memory] = bytes;
    return cudaSuccess;
}
inline cudaError_t cudaFree(void* memory) {
    using namespace cuda_emulator;
    std::lock_guard lock(device_lock());
    const auto found = allocations.find(memory);
    if (found == allocations.end()) return cudaErrorInvalidValue;
    memory_in_use -= found->second;
    allocations.erase(found);
    return cudaFreeHost(memory);
}

inline cudaError_t cudaStreamCreate(cudaStream_t* stream) { return *stream = new cuda_emulator::stream, cudaSuccess; }
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) { return delete stream, cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

namespace cuda_emulator {

template <class F>
cudaError_t enqueue(cudaStream_t stream, F&& work) {
    if (stream && stream->capturing)
        stream->capturing->nodes.emplace_back(std::forward<F>(work));
    else
        work();
    return cudaSuccess;
}

}  // namespace cuda_emulator

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    if (kind == cudaMemcpyHostToDevice) cuda_emulator::bytes_to_device += bytes;
    if (kind == cudaMemcpyDeviceToHost) cuda_emulator::bytes_to_host += bytes;
    return cuda_emulator::enqueue(stream, [=] { std::memcpy(to, from, bytes); });
}
inline cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
    return cuda_emulator::enqueue(stream, [=] { std::memset(to, value, bytes); });
}

inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    return stream->capturing = new cuda_emulator::graph, cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    *graph = stream->capturing;
    stream->capturing = nullptr;
    return cudaSuccess;
}
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
    return *made = new cuda_emulator::graph(*graph), cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) { return delete graph, cudaSuccess; }
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t) {
    for (const auto& node : graph->nodes) node();
    return cudaSuccess;
}

inline cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
    std::lock_guard lock(cuda_emulator::device_lock());
    cuda_emulator::shared_limits()[kernel] = static_cast<std::size_t>(value);
    return cudaSuccess;
}

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments&&... arguments) {
    const cudaLaunchConfig_t c = *config;
    std::size_t allowed = 48 * 1024;
    if (const auto raised = cuda_emulator::shared_limits().find(reinterpret_cast<const void*>(kernel));
        raised != cuda_emulator::shared_limits().end())
        allowed = std::max(allowed, raised->second);
    if (c.dynamicSmemBytes > allowed || c.gridDim.x == 0 || c.gridDim.y == 0 || c.gridDim.z == 0 || c.gridDim.y > 65535)
        return cudaErrorInvalidValue;
    const std::tuple<Parameters...> values(arguments...);
    return cuda_emulator::enqueue(c.stream, [=] {
        std::lock_guard lock(cuda_emulator::device_lock());
        ++cuda_emulator::launches;
        const std::function<void()> body = [&] { std::apply(kernel, values); };
        cuda_emulator::machine::instance().run({c.gridDim.x, c.gridDim.y, c.gridDim.z},
                                               {c.blockDim.x, c.blockDim.y, c.blockDim.z}, c.dynamicSmemBytes,
                                               cuda_emulator::shared_memory, body);
    });
}
