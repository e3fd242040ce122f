#pragma once
#include "saddle/core/arena.hpp"
#include "saddle/core/images.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace saddle {

/// What a window of generators costs in the layers that follow, in positions of the map that they are born in.
[[nodiscard]] inline std::size_t window_cost(extents shape, std::size_t height, std::size_t width) {
    return std::min(height + 3, shape.height) * std::min(width + 3, shape.width);
}
/// Whether generators of one more position had better not share a part of this window, which would become `next`.
[[nodiscard]] inline bool costs_more_together(extents shape, extents now, extents next) {
    return window_cost(shape, next.height, next.width) > window_cost(shape, now.height, now.width) + window_cost(shape, 1, 1);
}

/// The generators of a zonotope at one node: registers of them ("parts"), each with its coefficients in a window of the feature map,
/// [y][x][channel][lane]; outside its window a part is zero. Parts are in the order of their ids, which name them at every node.
template <class V>
class generator_map {
public:
    using T = typename V::value_type;

    struct part {
        std::size_t id = 0, y = 0, x = 0, height = 0, width = 0, offset = 0;

        [[nodiscard]] bool holds(std::size_t row, std::size_t column) const {
            return row - y < height && column - x < width;  // below it wraps
        }
    };

    void begin(extents shape) {
        shape_ = shape;
        parts_.clear();
        size_ = 0;
    }
    /// Appends a part with the window of `like` and its id; room for its coefficients comes with the next `allocate`.
    void append(part like) {
        like.offset = size_;
        size_ += like.height * like.width * shape_.channels * V::size;
        parts_.push_back(like);
    }
    /// Makes room for all parts; coefficients that were there stay.
    void allocate() {
        if (coefficients_.size() < size_) coefficients_.resize(size_);
    }

    [[nodiscard]] const std::vector<part>& parts() const { return parts_; }
    [[nodiscard]] T* at(const part& p, std::size_t y, std::size_t x) {
        return coefficients_.data() + p.offset + ((y - p.y) * p.width + x - p.x) * shape_.channels * V::size;
    }
    [[nodiscard]] const T* at(const part& p, std::size_t y, std::size_t x) const {
        return const_cast<generator_map*>(this)->at(p, y, x);
    }
    [[nodiscard]] std::size_t bytes() const { return size_ * sizeof(T); }
    [[nodiscard]] std::size_t reserved_bytes() const { return coefficients_.capacity() * sizeof(T); }

    /// Appends one generator for every value with fresh[value] > 0, that value's own. `order` lists the positions so that neighbours
    /// are close; a part is closed when another would cost fewer products in the layers that follow. Ids go on from `id`.
    void append_fresh(const std::vector<T>& fresh, const std::vector<std::uint32_t>& order, std::size_t& id) {
        struct place {
            std::size_t value, part, lane;
        };
        std::vector<place> places;
        part now;
        std::size_t lane = 0;
        const auto close = [&] {
            now.id = id++;
            append(now);
            lane = 0;
        };
        for (const std::size_t p : order)
            for (std::size_t c = 0; c < shape_.channels; ++c) {
                const std::size_t value = p * shape_.channels + c, y = p / shape_.width, x = p % shape_.width;
                if (!(fresh[value] > T(0))) continue;
                part next{.y = y, .x = x, .height = 1, .width = 1};
                if (lane > 0) {
                    next.y = std::min(y, now.y), next.x = std::min(x, now.x);
                    next.height = std::max(y + 1, now.y + now.height) - next.y;
                    next.width = std::max(x + 1, now.x + now.width) - next.x;
                    if (lane == V::size ||
                        costs_more_together(shape_, {1, now.height, now.width}, {1, next.height, next.width})) {
                        close();
                        next = part{.y = y, .x = x, .height = 1, .width = 1};  // nvcc 13.0 loses names that are assigned
                    }
                }
                now = next;
                places.push_back({value, parts_.size(), lane++});
            }
        if (lane > 0) close();
        const std::size_t first = places.empty() ? size_ : parts_[places.front().part].offset;
        allocate();
        std::fill(coefficients_.begin() + static_cast<std::ptrdiff_t>(first),
                  coefficients_.begin() + static_cast<std::ptrdiff_t>(size_), T(0));
        for (const auto& place : places) {
            const std::size_t position = place.value / shape_.channels;
            at(parts_[place.part], position / shape_.width,
               position % shape_.width)[place.value % shape_.channels * V::size + place.lane] = fresh[place.value];
        }
    }

    /// Takes over the memory of another map, or gives it away.
    void swap_memory(lane_vector<T>& other) { coefficients_.swap(other); }

private:
    extents shape_{};
    std::vector<part> parts_;
    lane_vector<T> coefficients_;
    std::size_t size_ = 0;
};

/// The positions of a feature map in Morton order: neighbours in the list are close in the map.
[[nodiscard]] inline std::vector<std::uint32_t> morton_order(extents shape) {
    std::vector<std::uint32_t> order;
    std::size_t side = 1;
    while (side < std::max(shape.height, shape.width)) side *= 2;
    for (std::size_t code = 0; code < side * side; ++code) {
        std::size_t y = 0, x = 0;
        for (std::size_t bit = 0; (std::size_t{1} << bit) < side; ++bit) {
            x |= (code >> (2 * bit) & 1) << bit;
            y |= (code >> (2 * bit + 1) & 1) << bit;
        }
        if (y < shape.height && x < shape.width) order.push_back(static_cast<std::uint32_t>(y * shape.width + x));
    }
    return order;
}

}  // namespace saddle
