#include "saddle/backend/cuda/wgmma_weights.cuh"
#include "support/cuda_kernels.hpp"

using namespace saddle;
using namespace saddle::cuda;

TEST_CASE("weights in TF32 are packed once more for the directions that run by wgmma, and only for them", "[cuda][wgmma]") {
    const auto wide = [](std::size_t inputs, std::size_t outputs) {
        return convolution_pair({3, 3, 1, 1}, {inputs, 6, 6}, {outputs, 6, 6});
    };
    const std::vector<convolution_pair> pairs{wide(40, 33), wide(31, 33), wide(33, 40)};
    wgmma_weights<tf32> weights;
    weights.reserve(pairs.size(), [&](std::size_t i) -> const convolution_pair& { return pairs[i]; });
    const auto raw = random_values<float>(40 * 33 * 9, 0), scale = random_values<float>(40, 1);
    for (std::size_t i = 0; i < pairs.size(); ++i) weights.pack(nullptr, i, pairs[i], raw.data(), scale.data());
    for (std::size_t i = 0; i < pairs.size(); ++i)
        for (const auto* s : {&pairs[i].forward, &pairs[i].backward}) {
            const float* const found = weights.of(i, s->backward, raw.data());
            CHECK((found != nullptr) == (i != 1));
            if (!found) continue;
            std::vector<float> expected(wgmma_packed_size<tf32>(*s));
            launch_pack_for_wgmma(nullptr, raw.data(), scale.data(), *s, expected.data());
            CHECK(std::equal(expected.begin(), expected.end(), found));
        }
}

TEST_CASE("weights in bf16 lie for wgmma as for mma.sync", "[cuda][wgmma]") {
    const auto pair = padded(40, 33);
    wgmma_weights<bf16> weights;
    weights.reserve(1, [&](std::size_t) -> const convolution_pair& { return pair; });
    const bfloat16 plain(1.f);
    CHECK((weights.of(0, false, &plain) == &plain && weights.of(0, true, &plain) == &plain));
}
