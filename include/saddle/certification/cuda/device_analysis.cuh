#pragma once
#include "saddle/certification/box.hpp"
#include "saddle/certification/cuda/device_substitution.cuh"
#include "saddle/certification/cuda/kernels/margins.cuh"
#include "saddle/certification/cuda/row_list.cuh"

namespace saddle::cuda {

/// A domain on the device: analyses of batches of images. Specialised for every domain that has kernels; a specialisation has
/// `bytes_per_lane`, `reserve(lanes)` and `margins`, as that of box.
template <class D>
class device_analysis;

template <class D>
concept DeviceDomain = requires(const D& domain, const device_network& network) {
    device_analysis<D>(network, domain, rounding_model{});
};

namespace detail {

/// What analyses share: labels and margins of a batch on the device.
class batch_margins {
public:
    void reserve(std::size_t lanes, std::size_t classes) {
        labels_.reserve(lanes);
        margins_.reserve(lanes * classes);
    }
    void upload(cudaStream_t stream, const int* labels, std::size_t images) {
        copy_values(stream, labels_.data(), labels, images, cudaMemcpyHostToDevice);
    }
    void download(const stream& order, double* margins, std::size_t count) const {
        copy_values(order.handle(), margins, margins_.data(), count, cudaMemcpyDeviceToHost);
        order.synchronize();
    }
    [[nodiscard]] const int* labels() const { return labels_.data(); }
    [[nodiscard]] double* margins() const { return margins_.data(); }

private:
    device_vector<int> labels_;
    device_vector<double> margins_;
};

}  // namespace detail

/// Box on the device: intervals of a batch of images, the property folded into the last layer.
template <>
class device_analysis<box> {
public:
    device_analysis(const device_network& network, const box&, rounding_model rounding) : bounds_(network, rounding, false) {}

    [[nodiscard]] std::size_t bytes_per_lane() const { return bounds_.bytes_per_lane() + classes() * sizeof(double); }
    /// Makes room for batches of up to `lanes` images, a multiple of 64.
    void reserve(std::size_t lanes) {
        bounds_.reserve(lanes);
        result_.reserve(lanes, classes());
    }
    /// Lower bounds of logit[label] - logit[j] for every j, 0 at the label: margins [image][class], of boxes with ends
    /// [image][C,H,W].
    void margins(const float* lower, const float* upper, const int* labels, std::size_t images, double* margins) {
        const auto& network = bounds_.network().network();
        const auto& last = network.nodes().back();
        const bool fold = last.kind == operation_kind::convolution;
        bounds_.begin(lower, upper, images);
        result_.upload(bounds_.handle(), labels, images);
        for (std::size_t i = 1; i + fold < network.size(); ++i) bounds_.propagate(i);
        launch(bounds_.handle(), interval_margins<>,
               {.operation = "margins of intervals",
                .blocks = bounds_.lanes() / bound_lanes,
                .threads = bound_lanes,
                .rows = std::min<std::size_t>(classes(), 65535)},
               bounds_.view(network.size() - 1), bounds_.view(last.input), fold, bounds_.rounding(), result_.labels(),
               static_cast<int>(images), static_cast<int>(bounds_.lanes()), result_.margins());
        result_.download(bounds_.order(), margins, images * classes());
    }
    [[nodiscard]] const device_bounds& bounds() const { return bounds_; }

private:
    [[nodiscard]] std::size_t classes() const { return bounds_.network().network().classes(); }

    device_bounds bounds_;
    detail::batch_margins result_;
};

/// DeepPoly on the device: rows of every open value of a layer, of all images of a batch, go back to the input together; the
/// property as rows of its own. One number per position comes to the host before a layer's rows are pushed back, the margins at
/// the end.
template <>
class device_analysis<deep_poly> {
public:
    device_analysis(const device_network& network, const deep_poly& settings, rounding_model rounding)
        : settings_(settings), bounds_(network, rounding, true, settings.slope) {
        const auto& nodes = network.network();
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            readings_.push_back(saddle::detail::reading_of(nodes, i));
            const bool refines = settings.hidden == hidden_bounds::rows && readings_[i] != reading::linear;
            const bool last = i + 1 == nodes.size();
            rows_of_.push_back(refines ? add_plan(i, false) : none);
            if (last) property_ = add_plan(i, true);
        }
    }
    device_analysis(const device_analysis&) = delete;  // the substitutions refer to its bounds
    device_analysis& operator=(const device_analysis&) = delete;

    /// Bytes that one image takes: its bounds, and the lists of its rows if every value is open.
    [[nodiscard]] std::size_t bytes_per_lane() const {
        std::size_t values = classes(), pixels = 0;
        for (std::size_t i = 0; i < rows_of_.size(); ++i) {
            if (rows_of_[i] == none) continue;
            const auto shape = bounds_.network().network()[i].shape;
            values = std::max(values, shape.size());
            pixels = std::max(pixels, shape.pixels());
        }
        return bounds_.bytes_per_lane() + classes() * sizeof(double) + pixels * sizeof(int) +
               2 * values * (sizeof(row_entry) + 2 * sizeof(double));
    }
    void reserve(std::size_t lanes) {
        bounds_.reserve(lanes);
        result_.reserve(lanes, classes());
    }
    void margins(const float* lower, const float* upper, const int* labels, std::size_t images, double* margins) {
        const auto& network = bounds_.network().network();
        bounds_.begin(lower, upper, images);
        result_.upload(bounds_.handle(), labels, images);
        for (std::size_t i = 1; i < network.size(); ++i) {
            bounds_.propagate(i);
            if (rows_of_[i] != none) refine(i);
            bounds_.finish(i);
        }
        if (classes() == 1) {
            std::fill_n(margins, images, 0.);
            return;
        }
        prove(images);
        result_.download(bounds_.order(), margins, images * classes());
    }
    [[nodiscard]] const device_bounds& bounds() const { return bounds_; }
    /// Tiles of 64 rows substituted back so far.
    [[nodiscard]] std::size_t tiles() const { return tiles_done_; }

private:
    using reading = saddle::detail::value_reading;

    [[nodiscard]] std::size_t classes() const { return bounds_.network().network().classes(); }
    [[nodiscard]] cudaStream_t stream() const { return bounds_.handle(); }

    std::size_t add_plan(std::size_t i, bool whole) {
        substitutions_.push_back(
            std::make_unique<device_substitution>(bounds_, substitution_plan(bounds_.network().network(), i, whole)));
        const std::size_t bytes = substitutions_.back()->bytes_per_tile();
        require(bytes <= settings_.memory, "deep_poly", "memory for one tile of 64 rows (bytes)", text("at least ", bytes),
                settings_.memory);
        return substitutions_.size() - 1;
    }
    /// Room for the rows of `tiles` tiles and for their coefficients, as far as memory allows.
    void make_room(std::size_t tiles, std::size_t bytes_per_tile) {
        list_.reserve(tiles);
        constants_.reserve(tiles * bound_lanes);
        row_bounds_.reserve(tiles * bound_lanes);
        coefficients_.reserve(std::min(tiles, settings_.memory / bytes_per_tile) * bytes_per_tile);
        tiles_done_ += tiles;
    }
    /// Substitutes every open value of node i back.
    void refine(std::size_t i) {
        const auto& node = bounds_.view(i);
        auto& substitution = *substitutions_[rows_of_[i]];
        const open_interval open{node.lo, node.hi, readings_[i] == reading::piecewise};
        list_.count(bounds_, i, open);
        for (std::uint32_t p = 0; p < static_cast<std::uint32_t>(node.pixels()); ++p) list_.place(std::array{p}, p);
        const std::size_t tiles = list_.tiles();
        if (tiles == 0) return;
        make_room(tiles, substitution.bytes_per_tile());
        list_.write(bounds_, i, open);
        substitution.run(list_.positions(), list_.rows(), tiles, settings_.bound_at, coefficients_, constants_.data(),
                         row_bounds_.data());
        const std::size_t pairs = tiles * bound_lanes / 2;
        launch(stream(), tighten_values<>, {.operation = "tightening a layer", .blocks = parts_of(pairs, 256)}, node,
               static_cast<const row_entry*>(list_.rows()), static_cast<const double*>(row_bounds_.data()), pairs,
               static_cast<int>(bounds_.lanes()));
    }
    /// Substitutes logit[label] - logit[other] back.
    void prove(std::size_t images) {
        auto& substitution = *substitutions_[property_];
        const std::size_t rows = images * (classes() - 1), tiles = parts_of(rows, bound_lanes);
        make_room(tiles, substitution.bytes_per_tile());
        check(cudaMemsetAsync(list_.positions(), 0, tiles * sizeof(int), stream()), "clearing positions");
        const auto by_row = [&](std::string_view name, std::size_t count) {
            return launch_config{.operation = name, .blocks = parts_of(count, 256)};
        };
        launch(stream(), list_property<>, by_row("rows of the property", tiles * bound_lanes), result_.labels(),
               static_cast<int>(images), static_cast<int>(classes()), static_cast<int>(tiles * bound_lanes), list_.rows());
        substitution.run(list_.positions(), list_.rows(), tiles, settings_.bound_at, coefficients_, constants_.data(),
                         row_bounds_.data());
        launch(stream(), store_margins<>, by_row("margins", rows), static_cast<const row_entry*>(list_.rows()),
               static_cast<const double*>(row_bounds_.data()), static_cast<int>(rows), static_cast<int>(classes()),
               result_.margins());
    }

    deep_poly settings_;
    device_bounds bounds_;
    detail::batch_margins result_;
    std::vector<reading> readings_;
    std::vector<std::unique_ptr<device_substitution>> substitutions_;
    std::vector<std::size_t> rows_of_;  ///< of each node, its place among the substitutions
    std::size_t property_ = none, tiles_done_ = 0;
    row_list list_;
    device_vector<double> constants_, row_bounds_;
    device_vector<std::byte> coefficients_;
};

}  // namespace saddle::cuda
