#pragma once
#include <cstddef>
#include <utility>
#include <vector>

namespace saddle::cuda {

/// Places in one piece of memory: each gets the first gap that is large enough.
class first_fit {
public:
    std::size_t take(std::size_t size) {
        std::size_t at = 0;
        auto next = held_.begin();
        for (; next != held_.end() && at + size > next->first; ++next) at = next->first + next->second;
        if (size > 0) held_.emplace(next, at, size);
        return at;
    }
    void give_back(std::size_t place) {
        std::erase_if(held_, [&](const auto& h) { return h.first == place; });
    }
    void clear() { held_.clear(); }

private:
    std::vector<std::pair<std::size_t, std::size_t>> held_;  ///< places and sizes, in order
};

}  // namespace saddle::cuda
