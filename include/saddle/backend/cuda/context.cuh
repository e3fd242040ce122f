#pragma once
#include "saddle/backend/cuda/error.cuh"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

namespace saddle::cuda {

/// What the launchers need to know of the device at hand.
struct device_properties {
    std::string name;
    int major = 0, minor = 0, multiprocessors = 1;
    std::size_t memory = 0, shared_memory = 0;  ///< bytes; shared_memory: the most that one block may ask for
};

/// Properties of the current device. Throws cuda_error when there is none.
[[nodiscard]] inline device_properties read_device() {
    int count = 0, device = 0;
    const cudaError_t found = cudaGetDeviceCount(&count);
    if (found != cudaSuccess || count == 0) {
        (void)cudaGetLastError();
        throw cuda_error(text("cuda: no device that can be used (",
                              cudaGetErrorName(found == cudaSuccess ? cudaErrorNoDevice : found), "); use backend::cpu"));
    }
    check(cudaGetDevice(&device), "asking for the current device");
    device_properties p;
    const auto ask = [&](cudaDeviceAttr what) {
        int value = 0;
        check(cudaDeviceGetAttribute(&value, what, device), "reading a device attribute");
        return value;
    };
    p.major = ask(cudaDevAttrComputeCapabilityMajor);
    p.minor = ask(cudaDevAttrComputeCapabilityMinor);
    p.multiprocessors = ask(cudaDevAttrMultiProcessorCount);
    p.shared_memory = static_cast<std::size_t>(ask(cudaDevAttrMaxSharedMemoryPerBlockOptin));
    cudaDeviceProp named{};
    check(cudaGetDeviceProperties(&named, device), "reading the device's name");
    p.name = named.name;
    p.memory = named.totalGlobalMem;
    if (p.major < 8)
        throw cuda_error(
            text("cuda: device '", p.name, "' has compute capability ", p.major, ".", p.minor, "; 8.0 or newer is needed"));
    return p;
}

/// True when a device is there that the backend can use.
[[nodiscard]] inline bool has_device() {
    int count = 0;
    const bool found = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
    (void)cudaGetLastError();
    return found && read_device().major >= 8;
}

/// An order of work on the device.
class stream {
public:
    stream() { check(cudaStreamCreate(&handle_), "creating a stream"); }
    ~stream() {
        if (handle_) (void)cudaStreamDestroy(handle_);
    }
    stream(stream&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    stream& operator=(stream&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }

    [[nodiscard]] cudaStream_t handle() const { return handle_; }
    /// Waits for all work; errors of kernels come out here.
    void synchronize() const { check(cudaStreamSynchronize(handle_), "waiting for the device"); }

private:
    cudaStream_t handle_ = nullptr;
};

/// Owned memory of the device, or with Host of the host, pinned so that copies run at full speed. Contents are undefined.
template <class T, bool Host = false>
class device_vector {
public:
    device_vector() = default;
    explicit device_vector(std::size_t count) { reserve(count); }
    ~device_vector() { release(); }
    device_vector(device_vector&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    device_vector& operator=(device_vector&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }

    /// Grows to at least `count` values; what was there is lost then. True when it moved. Throws out_of_device_memory.
    bool reserve(std::size_t count) {
        if (count <= size_) return false;
        release();
        void* memory = nullptr;
        const std::size_t bytes = count * sizeof(T);
        const cudaError_t status = Host ? cudaMallocHost(&memory, bytes) : cudaMalloc(&memory, bytes);
        if (status == cudaErrorMemoryAllocation) {
            (void)cudaGetLastError();
            throw out_of_device_memory(text("cuda: no room for ", bytes, " bytes"));
        }
        check(status, "allocating ", bytes, " bytes");
        data_ = static_cast<T*>(memory);
        size_ = count;
        return true;
    }
    [[nodiscard]] T* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return size_; }

private:
    void release() {
        if (data_) (void)(Host ? cudaFreeHost(data_) : cudaFree(data_));
        data_ = nullptr;
        size_ = 0;
    }
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

template <class T>
using pinned_vector = device_vector<T, true>;

/// The error of a batch of `lanes` lanes that does not fit; the text names the largest smaller one, a multiple of 64, whose
/// bytes(lanes) are free.
template <class Bytes>
[[nodiscard]] out_of_device_memory no_room_for_lanes(std::string_view what, std::size_t lanes, const Bytes& bytes) {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for free memory");
    std::size_t fits = (lanes - 1) / 64 * 64;
    while (fits > 0 && bytes(fits) > free) fits -= 64;
    return out_of_device_memory(
        text(what, ": no room for ", lanes, " images at ", bytes(lanes) / lanes, " bytes each (", free, " of ", total,
             " bytes free); ",
             fits > 0 ? text("try a batch of ", fits) : std::string("even 64 images do not fit: use a smaller network or bf16")));
}

/// Reserves `lanes` times `each` bytes, a multiple of T's; where that does not fit, the text names the batch size to try.
template <class T>
bool reserve_lanes(device_vector<T>& memory, std::size_t lanes, std::size_t each, std::string_view what) {
    try {
        return memory.reserve(lanes * (each / sizeof(T)));
    } catch (const out_of_device_memory&) {
        throw no_room_for_lanes(what, lanes, [&](std::size_t fewer) { return fewer * each; });
    }
}

/// Copies to, from or on the device, in the stream's order; host memory must stay until then.
template <class T>
void copy_values(cudaStream_t stream, T* to, const std::type_identity_t<T>* from, std::size_t count, cudaMemcpyKind kind) {
    if (count > 0) check(cudaMemcpyAsync(to, from, count * sizeof(T), kind, stream), "copying ", count, " values");
}

/// Work that was captured once and runs again with one call.
class captured_graph {
public:
    captured_graph() = default;
    /// Captures what `work` asks of the stream; nothing runs yet.
    template <class Work>
    captured_graph(const stream& s, Work&& work) {
        check(cudaStreamBeginCapture(s.handle(), cudaStreamCaptureModeThreadLocal), "beginning a capture");
        cudaGraph_t graph = nullptr;
        try {
            work();
        } catch (...) {
            (void)cudaStreamEndCapture(s.handle(), &graph);
            if (graph) (void)cudaGraphDestroy(graph);
            throw;
        }
        check(cudaStreamEndCapture(s.handle(), &graph), "ending a capture");
        const auto status = cudaGraphInstantiate(&handle_, graph, 0);
        (void)cudaGraphDestroy(graph);
        check(status, "instantiating a graph");
    }
    ~captured_graph() {
        if (handle_) (void)cudaGraphExecDestroy(handle_);
    }
    captured_graph(captured_graph&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    captured_graph& operator=(captured_graph&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }

    [[nodiscard]] explicit operator bool() const { return handle_ != nullptr; }
    void run(const stream& s) const { check(cudaGraphLaunch(handle_, s.handle()), "launching a graph"); }

private:
    cudaGraphExec_t handle_ = nullptr;
};

}  // namespace saddle::cuda
