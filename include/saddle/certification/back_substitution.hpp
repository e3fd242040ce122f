#pragma once
#include "saddle/certification/node_bounds.hpp"

#include <span>

namespace saddle {

/// A quantity to bound from below: value[plus] - value[minus] of one node; `none` leaves a term out.
struct bound_row {
    std::size_t plus = none, minus = none;
};

/// Where substitution takes a bound.
enum class concretization {
    input,     ///< at the input alone: textbook CROWN
    all_nodes  ///< at every node that all paths pass, keeping the best, as ERAN's DeepPoly
};

/// DeepPoly's backward walk (Singh et al. 2019, §4): rows of coefficients, one per lane, pushed from a node to the input through the lines
/// around each activation. All rows of a call share one window of each feature map, which grows on the way.
template <class V>
class back_substitution {
public:
    using T = typename V::value_type;
    static constexpr std::size_t most_registers = 4, most_rows = most_registers * V::size;

    explicit back_substitution(const node_bounds<V, true>& bounds)
        : bounds_(bounds), network_(bounds.network()), places_(network_.size()), bypass_(network_.size(), none) {
        for (std::size_t k = network_.size(); k-- > 0;)
            for (const std::size_t input : std::array{network_[k].input, network_[k].second})
                for (std::size_t i = input + 1; input != none && i < k; ++i) bypass_[i] = k;
    }

    /// Lower bounds of up to most_rows rows of node `from`.
    void run(std::size_t from, std::span<const bound_row> rows, concretization where, double* lower) {
        registers_ = (rows.size() + V::size - 1) / V::size;
        lanes_ = registers_ * V::size;
        std::fill(constants_, constants_ + lanes_, 0.);
        std::fill(best_, best_ + lanes_, -std::numeric_limits<double>::infinity());
        for (auto& p : places_) p.active = p.started = false;
        start(from, rows);
        // One value's bound at its convolution's input is its interval, which is known.
        const bool single =
            std::all_of(rows.begin(), rows.end(), [](const bound_row& r) { return r.plus == none || r.minus == none; });
        const std::size_t known = single && network_[from].kind == operation_kind::convolution ? network_[from].input : none;
        for (std::size_t i = from + 1; i-- > 0;) {
            if (!places_[i].active) continue;
            const auto& node = network_[i];
            const bool alone = i != from && i != known && bypass_[i] > from && !node.constants_in_reader;
            const bool scales = node.is_activation() || node.kind == operation_kind::scale_shift;
            pass_lines(i, i == 0 || (alone && where == concretization::all_nodes),
                       i > 0 && (i == from ? node.is_activation() : scales || !node.constants_in_reader));
            if (i == 0) break;
            pass_down(i);
        }
        for (std::size_t l = 0; l < rows.size(); ++l) lower[l] = best_[l] - bounds_.rounding().underflow();
    }

    /// Multiply-adds that the convolutions executed so far, lanes without a row included.
    [[nodiscard]] double multiply_adds() const { return multiply_adds_; }
    /// Bytes that the coefficients hold now.
    [[nodiscard]] std::size_t bytes() const {
        std::size_t sum = 0;
        for (const auto& p : places_) sum += p.coefficients.capacity() * sizeof(T);
        return sum;
    }

private:
    /// Part of a feature map, and the coefficients there: [y][x][channel][lane].
    struct place {
        std::size_t y = 0, x = 0, height = 0, width = 0;
        bool active = false;   ///< some row reaches it
        bool started = false;  ///< the coefficients hold something to add to
        lane_vector<T> coefficients;

        void cover(std::size_t y0, std::size_t x0, std::size_t y1, std::size_t x1) {
            if (active) {
                y1 = std::max(y1, y + height), x1 = std::max(x1, x + width);
                y0 = std::min(y0, y), x0 = std::min(x0, x);
            }
            active = true;
            y = y0, x = x0, height = y1 - y0, width = x1 - x0;
        }
    };

    /// A row or column of a kernel, and that of the output which reads an input through it.
    struct tap {
        std::size_t kernel, output;
    };
    /// The taps of every group of inputs along one side.
    struct tap_lists {
        std::vector<tap> taps;
        std::vector<std::size_t> first;  ///< of each group, and one past the last

        [[nodiscard]] std::span<const tap> of(std::size_t group) const {
            return std::span(taps).subspan(first[group], first[group + 1] - first[group]);
        }
    };

    /// The coefficients of position (y, x) of node i, which lies in its window.
    T* at(std::size_t i, std::size_t y, std::size_t x) {
        auto& p = places_[i];
        return p.coefficients.data() + ((y - p.y) * p.width + x - p.x) * network_[i].shape.channels * lanes_;
    }
    void reserve(std::size_t i) {
        auto& p = places_[i];
        const std::size_t size = p.height * p.width * network_[i].shape.channels * lanes_;
        if (p.coefficients.size() < size) p.coefficients.resize(size);
    }
    void clear(std::size_t i) {
        reserve(i);
        std::fill_n(places_[i].coefficients.data(), places_[i].height * places_[i].width * network_[i].shape.channels * lanes_,
                    T(0));
        places_[i].started = true;
    }
    /// Makes the coefficients of an input ready to be added to.
    void open(std::size_t i) {
        if (!places_[i].started) clear(i);
    }

    void start(std::size_t from, std::span<const bound_row> rows);
    void write_weights(std::size_t i, std::span<const bound_row> rows);
    void write_tiles(const T* const* from, const T* sign, std::size_t channels, T* to) const;
    void cover_inputs(std::size_t i);
    void pass_lines(std::size_t i, bool take, bool lines);
    void pass_down(std::size_t i);
    template <int L, bool Lines, bool Change, bool Ends>
    void absorb(std::size_t i, double* bound);
    void through_convolution(std::size_t i);
    double list_sources(std::size_t i, std::span<const tap> rows, std::span<const tap> columns);
    static void list_taps(std::size_t start, std::size_t end, std::size_t group, std::size_t kernel, std::size_t step,
                          std::size_t first, std::size_t count, tap_lists& lists);
    void through_pool(std::size_t i);
    void through_flatten(std::size_t i);
    void pass_to(std::size_t i, std::size_t input, bool may_move);
    /// to[lane] += from[lane]
    void add_lanes(const T* from, T* to) const {
        for (std::size_t l = 0; l < lanes_; l += V::size)
            (V::load_aligned(to + l) + V::load_aligned(from + l)).store_aligned(to + l);
    }
    template <class F>
    void for_each_position(std::size_t i, F&& f) {
        const std::size_t top = places_[i].y, left = places_[i].x, height = places_[i].height, columns = places_[i].width;
        for (std::size_t y = top; y < top + height; ++y)
            for (std::size_t x = left; x < left + columns; ++x) f(y, x);
    }

    /// Calls f(value, its coefficients) for every live value in node i's window.
    template <class F>
    void for_each_live(std::size_t i, F&& f) {
        const auto shape = network_[i].shape;
        const auto& live = bounds_.live(i);
        for_each_position(i, [&](std::size_t y, std::size_t x) {
            const std::size_t position = y * shape.width + x;
            const T* const a = at(i, y, x);
            for (std::size_t k = 0; k < live.count(position); ++k) {
                const std::size_t c = live.begin(position)[k];
                f(position * shape.channels + c, a + c * lanes_);
            }
        });
    }

    const node_bounds<V, true>& bounds_;
    const bound_network<T>& network_;
    std::vector<place> places_;
    std::vector<std::size_t> bypass_;  ///< the first node above that reads one below: where node i is not all there is
    std::vector<detail::row_source<T>> sources_;
    tap_lists row_taps_, column_taps_;
    std::vector<T> zeros_;
    std::vector<std::size_t> offsets_;
    std::vector<std::uint32_t> columns_, every_column_;
    std::size_t registers_ = 0, lanes_ = 0;
    double constants_[most_rows]{}, best_[most_rows]{}, multiply_adds_ = 0;
};

}  // namespace saddle

#include "saddle/certification/back_substitution_convolution.hpp"
#include "saddle/certification/back_substitution_run.hpp"
#include "saddle/certification/back_substitution_start.hpp"
