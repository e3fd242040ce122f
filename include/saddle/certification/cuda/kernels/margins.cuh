#pragma once
#include "saddle/certification/cuda/kernels/node_view.cuh"

namespace saddle::cuda {

/// Lower bounds of logit[label] - logit[j] from intervals, margins [image][class]: the difference folded into a last layer that
/// is linear (its weights over the whole input `x`), else of the ends of the logits `last`: interval_margins of box.hpp. Blocks:
/// lane tiles, classes as rows; 64 threads.
template <class = void>
__global__ void interval_margins(node_view last, node_view x, bool fold, rounding_model rounding, const int* labels, int images,
                                 int lanes, double* margins) {
    const int lane = static_cast<int>(blockIdx.x) * bound_lanes + static_cast<int>(threadIdx.x);
    if (lane >= images) return;
    const int classes = last.size(), label = labels[lane];
    for (int j = static_cast<int>(blockIdx.y); j < classes; j += static_cast<int>(gridDim.y)) {
        double& margin = margins[static_cast<std::size_t>(lane) * classes + j];
        if (j == label) {
            margin = 0;
        } else if (!fold) {
            margin = round_down<double>(last.lo[static_cast<std::size_t>(label) * lanes + lane] -
                                        last.hi[static_cast<std::size_t>(j) * lanes + lane]);
        } else {
            double sum = 0, size = 0;
            const double* w = last.forward_weights;
            for (int t = 0; t < last.taps(); ++t)
                for (int c = 0; c < x.channels; ++c, w += last.forward_columns) {
                    const std::size_t at = static_cast<std::size_t>(c * last.taps() + t) * lanes + lane;
                    const double lo = x.lo[at], hi = x.hi[at], difference = w[label] - w[j];
                    sum += difference >= 0 ? difference * lo : difference * hi;
                    size += (std::abs(w[label]) + std::abs(w[j])) * std::max(std::abs(lo), std::abs(hi));
                }
            const double own = last.shift[label], other = last.shift[j];
            const auto terms = static_cast<std::size_t>(x.size());
            const double relative = 1.01 * (rounding.program_sum(terms + 1) + rounding.bounds_sum(terms + 8));
            const double error = relative * (size + std::abs(own) + std::abs(other));
            margin = sum + own - other - error - rounding.underflow();
        }
    }
}

}  // namespace saddle::cuda
