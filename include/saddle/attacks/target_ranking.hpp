#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace saddle {

/// The wrong classes of each lane in the order of their clean logits, the largest first: the targets of APGD-T and FAB-T. Equals
/// go to the lower class; NaN comes last.
template <class T, std::size_t Lanes>
class target_ranking {
public:
    /// For `classes` classes; 0: not used, `rank` does nothing.
    explicit target_ranking(std::size_t classes) : classes_(classes), order_(classes * Lanes) {}

    /// `logits` points at the lane's class 0, classes `stride` apart.
    void rank(std::size_t lane, const T* logits, std::size_t stride, std::int32_t label) {
        if (classes_ == 0) return;
        const auto first = order_.begin() + static_cast<std::ptrdiff_t>(lane * classes_);
        const auto last = first + static_cast<std::ptrdiff_t>(classes_);
        for (std::size_t k = 0; k < classes_; ++k) first[static_cast<std::ptrdiff_t>(k)] = static_cast<std::int32_t>(k);
        std::stable_sort(first, last, [&](std::int32_t a, std::int32_t b) {
            const T za = logits[static_cast<std::size_t>(a) * stride], zb = logits[static_cast<std::size_t>(b) * stride];
            if (a == label || b == label) return a == label && b != label;
            return za > zb || (za == za && !(zb == zb));
        });
    }
    /// The wrong class of rank 0 (the most confusing) to classes - 2.
    [[nodiscard]] std::int32_t at(std::size_t lane, std::size_t rank) const { return order_[lane * classes_ + rank + 1]; }

private:
    std::size_t classes_;
    std::vector<std::int32_t> order_;
};

}  // namespace saddle
