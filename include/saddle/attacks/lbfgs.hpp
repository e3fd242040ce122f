#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <vector>

namespace saddle {

/// Limited-memory BFGS (Nocedal & Wright 2006, algorithm 7.5) asked and told: the caller evaluates `point()` and tells value and slope.
///
/// The step is halved until the value falls by 1e-4 of what the slope promises; pairs without curvature are left out. The first
/// direction has length 1 at most.
class lbfgs {
public:
    explicit lbfgs(std::size_t size, std::size_t pairs = 10)
        : pairs_(pairs), point_(size), base_(size), slope_(size), direction_(size) {}

    /// Starts at the origin.
    void begin() {
        std::fill(point_.begin(), point_.end(), 0.);
        history_.clear();
        fresh_ = true;
    }
    [[nodiscard]] const std::vector<double>& point() const { return point_; }

    /// Value and slope at `point()`, which moves on. False when no step goes further down: the search is over.
    bool tell(double value, const std::vector<double>& slope) {
        if (!fresh_ && !(value <= value_ + 1e-4 * size_ * descent_)) {
            size_ /= 2;
            if (size_ > 1e-10) return place();
            if (history_.empty()) return false;
            history_.clear();  // along the slope itself
            return turn();
        }
        if (!fresh_) {
            pair p{std::vector<double>(point_.size()), std::vector<double>(point_.size()), 0};
            double curvature = 0, square = 0;
            for (std::size_t i = 0; i < point_.size(); ++i) {
                p.step[i] = point_[i] - base_[i];
                p.change[i] = slope[i] - slope_[i];
                curvature += p.step[i] * p.change[i];
                square += p.change[i] * p.change[i];
            }
            if (curvature > 1e-10 * square) {
                p.inverse = 1 / curvature;
                scale_ = curvature / square;
                history_.push_back(std::move(p));
                if (history_.size() > pairs_) history_.pop_front();
            }
        }
        fresh_ = false;
        base_ = point_;
        slope_ = slope;
        value_ = value;
        return turn();
    }

private:
    struct pair {
        std::vector<double> step, change;
        double inverse;
    };
    static double dot(const std::vector<double>& a, const std::vector<double>& b) {
        double sum = 0;
        for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
        return sum;
    }
    /// A new direction from `base_`.
    bool turn() {
        direction_ = slope_;
        std::vector<double> weights(history_.size());
        for (std::size_t k = history_.size(); k-- > 0;) {
            weights[k] = history_[k].inverse * dot(history_[k].step, direction_);
            for (std::size_t i = 0; i < direction_.size(); ++i) direction_[i] -= weights[k] * history_[k].change[i];
        }
        const double length = std::sqrt(dot(slope_, slope_));
        const double first = history_.empty() ? std::min(1., 1 / std::max(length, 1e-300)) : scale_;
        for (double& d : direction_) d *= first;
        for (std::size_t k = 0; k < history_.size(); ++k) {
            const double back = weights[k] - history_[k].inverse * dot(history_[k].change, direction_);
            for (std::size_t i = 0; i < direction_.size(); ++i) direction_[i] += back * history_[k].step[i];
        }
        for (double& d : direction_) d = -d;
        descent_ = dot(direction_, slope_);
        size_ = 1;
        if (!(descent_ < 0)) return false;
        return place();
    }
    bool place() {
        for (std::size_t i = 0; i < point_.size(); ++i) point_[i] = base_[i] + size_ * direction_[i];
        return true;
    }

    std::size_t pairs_;
    std::vector<double> point_, base_, slope_, direction_;
    std::deque<pair> history_;
    double value_ = 0, size_ = 1, descent_ = 0, scale_ = 1;
    bool fresh_ = true;
};

}  // namespace saddle
