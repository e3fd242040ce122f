#pragma once
#include "saddle/backend/cuda/context.cuh"
#include "saddle/certification/cuda/first_fit.cuh"

#include <algorithm>

namespace saddle::cuda {

/// Memory of the device for coefficients in double: places in one piece, which grows as far as it may.
class coefficient_memory {
public:
    /// At most so many bytes.
    explicit coefficient_memory(std::size_t bytes) : limit_(bytes / sizeof(double)) {}

    /// True until the first values have been asked for.
    [[nodiscard]] bool empty() const { return memory_.size() == 0; }
    /// Memory for so many values, as far as the limit and the device allow.
    void ask_for(std::size_t values) { grow(1, std::min(values, limit_)); }
    /// Forgets all places.
    void clear() {
        used_.clear();
        wanted_ = 0;
    }
    /// A place for so many values, in values from the start. There is room for all places where fits() says so.
    std::size_t take(std::size_t values) {
        const std::size_t place = used_.take(values);
        wanted_ = std::max(wanted_, place + values);
        return place;
    }
    void give_back(std::size_t place) { used_.give_back(place); }
    [[nodiscard]] bool fits() const { return wanted_ <= memory_.size(); }
    [[nodiscard]] double* at(std::size_t place) const { return memory_.data() + place; }
    /// More memory after places did not fit, what was there is lost; false where the limit or the device has not enough.
    bool grow() { return wanted_ <= limit_ && grow(wanted_, std::min(2 * wanted_, limit_)); }

    /// Values up to the end of the last place since clear(); the most that there may be.
    [[nodiscard]] std::size_t wanted() const { return wanted_; }
    [[nodiscard]] std::size_t limit() const { return limit_; }
    /// True when the device had less than the limit.
    [[nodiscard]] bool device_is_short() const { return device_is_short_; }

private:
    /// Memory for `wish` values, or for at least `least` where the device has no more; false where it has not even these.
    bool grow(std::size_t least, std::size_t wish) {
        for (;; wish = std::max(wish / 2, least)) {
            try {
                memory_.reserve(wish);
                return true;
            } catch (const out_of_device_memory&) {
                if (wish > least) continue;
                limit_ = least / 2;
                device_is_short_ = true;
                return false;
            }
        }
    }

    std::size_t limit_, wanted_ = 0;
    bool device_is_short_ = false;
    first_fit used_;
    device_vector<double> memory_;
};

}  // namespace saddle::cuda
