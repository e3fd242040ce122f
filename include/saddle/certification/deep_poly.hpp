#pragma once
#include "saddle/certification/back_substitution.hpp"
#include "saddle/certification/value_reading.hpp"

namespace saddle {

/// Where the bounds of hidden layers come from.
enum class hidden_bounds {
    rows,      ///< full back-substitution of every value that an interval does not settle
    intervals  ///< intervals alone, as in CROWN-IBP: only the property is substituted back
};

/// DeepPoly (Singh et al. 2019): linear bounds of every value, substituted back to the input; the property as rows of its own.
///
/// Values whose sign the interval of the layer before already settles get no row. Sources of every choice: docs/certification.md.
struct deep_poly {
    lower_slope slope = lower_slope::area;
    concretization bound_at = concretization::all_nodes;
    hidden_bounds hidden = hidden_bounds::rows;
    std::size_t memory = std::size_t{1} << 30;  ///< bytes that coefficients of one thread, or on a device, may take

    static constexpr std::string_view name = "DeepPoly";

    template <class V>
    class analysis;
};

/// Bounds of one input box after another. One per thread; all memory is kept from box to box.
template <class V>
class deep_poly::analysis {
public:
    using T = typename V::value_type;

    analysis(const bound_network<T>& network, const deep_poly& settings, rounding_model rounding)
        : network_(network), settings_(settings), bounds_(network, rounding, settings.slope), rows_(bounds_),
          most_rows_(back_substitution<V>::most_rows) {
        std::size_t values = 0;
        for (std::size_t i = 0; i < network.size(); ++i) {
            values += network[i].size();
            readings_.push_back(detail::reading_of(network, i));
        }
        const std::size_t bytes = values * V::size * sizeof(T);
        require(bytes <= settings.memory, "deep_poly", "memory for one register of rows (bytes)", text("at least ", bytes),
                settings.memory);
        most_rows_ = std::min(most_rows_, settings.memory / bytes * V::size);
    }

    /// Lower bounds of logit[label] - logit[j] over the box [C,H,W] for every j, 0 at j = label.
    template <class Value>
    void margins(const Value* lower, const Value* upper, std::size_t label, double* margin) {
        bounds_.begin(lower, upper);
        for (std::size_t i = 1; i < network_.size(); ++i) {
            bounds_.propagate(i);
            if (settings_.hidden == hidden_bounds::rows && readings_[i] != reading::linear) refine(i);
            bounds_.finish(i);
        }
        queue_.clear();
        for (std::size_t j = 0; j < network_.classes(); ++j)
            if (j != label) queue_.push_back({label, j});
        margin[label] = 0;
        run(network_.size() - 1, 0, queue_.size(), [&](std::size_t k, double bound) { margin[queue_[k].minus] = bound; });
    }

    [[nodiscard]] const node_bounds<V, true>& bounds() const { return bounds_; }
    [[nodiscard]] double multiply_adds() const { return rows_.multiply_adds(); }
    /// Rows substituted back so far.
    [[nodiscard]] std::size_t rows() const { return row_count_; }
    [[nodiscard]] std::size_t bytes() const { return rows_.bytes(); }

private:
    using reading = detail::value_reading;

    /// Whether value j of node i deserves rows.
    [[nodiscard]] bool open(std::size_t i, std::size_t j) const {
        const auto& y = bounds_.interval(i);
        return readings_[i] == reading::piecewise ? y.lo[j] < 0 && y.hi[j] > 0 : y.lo[j] < y.hi[j];
    }
    /// Substitutes every open value of node i back, neighbours that fill a register together.
    void refine(std::size_t i) {
        const auto shape = network_[i].shape;
        std::size_t first = 0, last_position = none;
        queue_.clear();
        const auto flush = [&] {
            run(i, first, queue_.size(), [&](std::size_t k, double bound) {
                const auto& row = queue_[k];
                if (row.plus != none)
                    bounds_.tighten(i, row.plus, bound, std::numeric_limits<double>::infinity());
                else
                    bounds_.tighten(i, row.minus, -std::numeric_limits<double>::infinity(), -bound);
            });
            first = queue_.size();
        };
        for (std::size_t p = 0; p < shape.pixels(); ++p) {
            const std::size_t before = queue_.size();
            open_.clear();
            for (std::size_t j = p * shape.channels; j < (p + 1) * shape.channels; ++j)
                if (open(i, j)) open_.push_back(j);
            for (std::size_t k = 0; k < open_.size(); k += V::size) {  // registers of upper bounds repeat those of lower ones
                const auto chunk = std::span(open_).subspan(k, std::min(V::size, open_.size() - k));
                for (const std::size_t j : chunk) queue_.push_back({j, none});
                for (const std::size_t j : chunk) queue_.push_back({none, j});
            }
            if (queue_.size() == before) continue;
            const bool neighbour = last_position != none && p == last_position + 1 && p % shape.width != 0;
            if (first < before && !(neighbour && queue_.size() - first <= V::size)) {
                const std::vector<bound_row> rest(queue_.begin() + static_cast<std::ptrdiff_t>(before), queue_.end());
                queue_.resize(before);
                flush();
                queue_.insert(queue_.end(), rest.begin(), rest.end());
            }
            last_position = p;
        }
        if (first < queue_.size()) flush();
    }
    /// Bounds rows [first, last) of the queue in blocks of about equal size.
    template <class F>
    void run(std::size_t node, std::size_t first, std::size_t last, F&& f) {
        const std::size_t registers = (last - first + V::size - 1) / V::size, most = most_rows_ / V::size;
        const std::size_t blocks = (registers + most - 1) / most;
        row_count_ += last - first;
        for (std::size_t b = 0; b < blocks; ++b) {
            const std::size_t from = first + registers * b / blocks * V::size;
            const std::size_t to = std::min(last, first + registers * (b + 1) / blocks * V::size);
            double lower[back_substitution<V>::most_rows];
            rows_.run(node, std::span(queue_).subspan(from, to - from), settings_.bound_at, lower);
            for (std::size_t k = from; k < to; ++k) f(k, lower[k - from]);
        }
    }

    const bound_network<T>& network_;
    deep_poly settings_;
    node_bounds<V, true> bounds_;
    back_substitution<V> rows_;
    std::vector<reading> readings_;
    std::size_t most_rows_, row_count_ = 0;
    std::vector<std::size_t> open_;
    std::vector<bound_row> queue_;
};

}  // namespace saddle

#ifdef SADDLE_EXTERN_KERNELS
#include "saddle/certification/extern_kernels.hpp"
#endif
