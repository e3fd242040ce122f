#pragma once
#include "saddle/backend/cuda/convolution.cuh"

#include <array>
#include <type_traits>
#include <utility>
#include <vector>

namespace saddle::cuda {

/// The weights of a program's convolutions as implicit_gemm_wgmma reads them, where they lie otherwise than those of mma.sync: in TF32, of
/// the directions that run by it. Empty in the other precisions.
template <class Precision>
class wgmma_weights {
public:
    using S = typename Precision::storage;

    /// Makes room for the convolutions pair_of(0) to pair_of(count - 1). Throws out_of_device_memory.
    template <class PairOf>
    void reserve(std::size_t count, const PairOf& pair_of) {
        if constexpr (apart) {
            std::size_t used = 0;
            const auto room = [&](const convolution_shape& s) {
                return runs_by_wgmma<Precision>(s)
                           ? std::exchange(used, used + parts_of(wgmma_packed_size<Precision>(s), 64) * 64)
                           : none;
            };
            places_.resize(count);
            for (std::size_t i = 0; i < count; ++i) {
                const convolution_pair& pair = pair_of(i);
                places_[i] = {room(pair.forward), room(pair.backward)};
            }
            packed_.reserve(used + 1);
        }
    }
    /// Packs the weights [O,I,H,W] of convolution i for the directions that have room; `scale` [O] is a folded batch norm's, or null.
    void pack(cudaStream_t stream, std::size_t i, const convolution_pair& pair, const float* weight, const float* scale) {
        if constexpr (apart)
            for (const auto* s : {&pair.forward, &pair.backward})
                if (places_[i][s->backward] != none)
                    launch_pack_for_wgmma(stream, weight, scale, *s, packed_.data() + places_[i][s->backward]);
    }
    /// Those of convolution i in one direction: `plain` where they lie as those of mma.sync, null where it does not run by wgmma.
    [[nodiscard]] const S* of(std::size_t i, bool backward, const S* plain) const {
        if constexpr (apart)
            return places_.empty() || places_[i][backward] == none ? nullptr : packed_.data() + places_[i][backward];
        else
            return plain;
    }

private:
    static constexpr bool apart = std::is_same_v<Precision, tf32>;

    std::vector<std::array<std::size_t, 2>> places_;  ///< [convolution][backward], none: does not run by wgmma
    device_vector<S> packed_;
};

}  // namespace saddle::cuda
