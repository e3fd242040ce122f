#include "saddle/backend/cuda/context.cuh"
#include "support/catch.hpp"

using namespace saddle;
using namespace saddle::cuda;

TEST_CASE("out of memory names a batch size that would fit", "[cuda]") {
    cuda_emulator::memory_limit = 1 << 20;
    device_vector<std::byte> memory;
    std::string message;
    try {
        reserve_lanes(memory, 1 << 16, 1 << 18, "a batch on the device");
    } catch (const out_of_device_memory& problem) {
        message = problem.what();
    }
    cuda_emulator::memory_limit = std::size_t(-1);
    CHECK(message.find("65536 images") != std::string::npos);
    CHECK(message.find("try a batch of 16384") != std::string::npos);  // 4 GiB free
}

TEST_CASE("a failed call says which operation it was and what the runtime says", "[cuda]") {
    CHECK_NOTHROW(check(cudaSuccess, "nothing"));
    try {
        check(cudaErrorInvalidValue, "copying ", 5, " values");
        FAIL("no exception");
    } catch (const cuda_error& problem) {
        CHECK(std::string(problem.what()) == "cuda: copying 5 values: cudaErrorInvalidValue, invalid argument");
    }
}

TEST_CASE("captured work runs when the graph runs, as often as it is asked to", "[cuda]") {
    stream order;
    device_vector<float> values(2);
    values.data()[0] = 1;
    values.data()[1] = 5;
    const captured_graph graph(
        order, [&] { copy_values(order.handle(), values.data(), values.data() + 1, 1, cudaMemcpyDeviceToDevice); });
    CHECK(values.data()[0] == 1);
    graph.run(order);
    CHECK(values.data()[0] == 5);
    values.data()[1] = 7;
    graph.run(order);
    CHECK(values.data()[0] == 7);
}
