#pragma once
#include "saddle/certification/cuda/coefficient_memory.cuh"
#include "saddle/certification/cuda/device_analysis.cuh"
#include "saddle/certification/cuda/generator_family.cuh"
#include "saddle/certification/zonotope.hpp"

namespace saddle::cuda {

/// Zonotopes on the device: the generators of all images of a batch go forward together, 64 to a tile; every node that gives birth to
/// some is a family of its own. As many images at once as have room in the settings' memory.
template <>
class device_analysis<zonotope> {
public:
    device_analysis(const device_network& network, const zonotope& settings, rounding_model rounding)
        : settings_(settings), bounds_(network, rounding, false), first_(nodes().size()), places_(nodes().size()),
          readers_(nodes().size()) {
        using enum operation_kind;
        for (std::size_t i = 0; i < nodes().size(); ++i) {
            const auto& node = nodes()[i];
            first_[i] = values_;
            values_ += node.size();
            largest_ = std::max(largest_, node.size());
            if (i == 0 || node.is_activation() || node.kind == max_pool)
                families_.push_back(std::make_unique<generator_family>(bounds_, i));
        }
    }
    device_analysis(const device_analysis&) = delete;  // the families refer to its bounds
    device_analysis& operator=(const device_analysis&) = delete;

    /// Bytes that one image takes beside its coefficients: its bounds and forms, and the lists of its generators.
    [[nodiscard]] std::size_t bytes_per_lane() const {
        std::size_t bytes =
            bounds_.bytes_per_lane() + (3 * values_ + 4 * largest_ + 2 * classes()) * sizeof(double) + largest_ * sizeof(int);
        for (const auto& family : families_) {
            const auto shape = nodes()[family->born()].shape;
            bytes += shape.pixels() * sizeof(int) + shape.size() * sizeof(row_entry);
        }
        return bytes;
    }
    void reserve(std::size_t lanes) {
        const auto reserve = [&](auto& memory, std::size_t each) {
            reserve_lanes(memory, lanes, each * sizeof *memory.data(), "forms of a batch on the device");
        };
        bounds_.reserve(lanes);
        result_.reserve(lanes, classes());
        reserve(forms_, 3 * values_);
        for (auto* memory : {&slope_, &fresh_, &widened_lo_, &widened_hi_}) reserve(*memory, largest_);
        reserve(chosen_, largest_);
        reserve(differences_, classes());
        reserved_ = std::max(reserved_, lanes);
    }
    /// As that of box. Throws invalid_argument when the coefficients of one image need more memory than the settings allow,
    /// out_of_device_memory, which names the batch size to try, when the device has no room for one image's generators.
    void margins(const float* lower, const float* upper, const int* labels, std::size_t images, double* margins) {
        const std::size_t elements = nodes().input().size();
        for (std::size_t done = 0; done < images;) {
            const std::size_t count = std::min(at_once_, images - done);
            if (memory_.empty()) {
                std::size_t guess = 0;
                for (const auto& family : families_) guess += family->most_values(count);
                memory_.ask_for(guess);
            }
            if (run(lower + done * elements, upper + done * elements, labels + done, count, margins + done * classes()))
                done += count;
            else
                make_room(count);
        }
    }
    [[nodiscard]] const device_bounds& bounds() const { return bounds_; }
    /// Tiles of 64 generators in the last zonotopes.
    [[nodiscard]] std::size_t tiles() const {
        std::size_t sum = 0;
        for (const auto& family : families_) sum += family->tiles();
        return sum;
    }
    /// Bytes of the device that their coefficients took, all gaps between them included.
    [[nodiscard]] std::size_t bytes() const { return memory_.wanted() * sizeof(double); }
    /// Most images whose coefficients go forward together.
    [[nodiscard]] std::size_t images_at_once() const { return at_once_; }

private:
    [[nodiscard]] const bound_network<double>& nodes() const { return bounds_.network().network(); }
    [[nodiscard]] std::size_t classes() const { return nodes().classes(); }
    [[nodiscard]] cudaStream_t stream() const { return bounds_.handle(); }
    [[nodiscard]] int lanes() const { return static_cast<int>(bounds_.lanes()); }
    [[nodiscard]] generator_rule rule() const { return {slope_.data(), fresh_.data(), chosen_.data()}; }
    [[nodiscard]] form_view form(std::size_t i) const {
        const std::size_t count = nodes()[i].size() * bounds_.lanes();
        double* const at = forms_.data() + 3 * first_[i] * bounds_.lanes();
        return {at, at + count, at + 2 * count};
    }
    [[nodiscard]] form_view second_form(std::size_t i) const {
        return nodes()[i].second == none ? form_view{} : form(nodes()[i].second);
    }

    /// After a run that found no room: more memory as far as it may grow, or else fewer images at once.
    void make_room(std::size_t count) {
        if (std::exchange(lists_lack_room_, false)) {
            if (count == 1) throw no_room();
            at_once_ = count / 2;
            return;
        }
        if (memory_.grow()) return;
        if (count == 1 && memory_.device_is_short()) throw no_room();
        require(count > 1, "zonotope", "memory for generators of one image (bytes)",
                text("at most ", memory_.limit() * sizeof(double)), bytes());
        const double share = static_cast<double>(memory_.limit()) / static_cast<double>(memory_.wanted());
        const std::size_t fits =
            std::max<std::size_t>(std::min(count * 3 / 4, static_cast<std::size_t>(static_cast<double>(count) * share)), 1);
        at_once_ = fits < lane_step ? fits : fits / lane_step * lane_step;
    }
    /// For the generators of one image, beside what a batch has reserved.
    [[nodiscard]] out_of_device_memory no_room() const {
        std::size_t free = 0, total = 0;
        check(cudaMemGetInfo(&free, &total), "asking for free memory");
        const std::size_t smaller = padded_lanes(reserved_ / 2);
        return out_of_device_memory(
            text("zonotope: no room on the device for the generators of one image beside a batch of ", reserved_, " (", free,
                 " of ", total, " bytes free); ",
                 smaller < reserved_ ? text("try a batch of ", smaller)
                                     : std::string("no smaller batch takes less: use deep_poly, whose rows go in blocks")));
    }
    /// The margins of as many images; false where there is no room for their coefficients or for a list of generators.
    bool run(const float* lower, const float* upper, const int* labels, std::size_t images, double* margins) {
        const std::size_t last = nodes().size() - 1;
        const bool fold = nodes()[last].kind == operation_kind::convolution && nodes()[last].shape.pixels() == 1;
        memory_.clear();
        for (std::size_t i = 0; i <= last; ++i) {
            places_[i].assign(families_.size(), none);
            readers_[i] = nodes()[i].consumers;
        }
        bounds_.begin(lower, upper, images);
        result_.upload(stream(), labels, images);
        launch(stream(), start_forms<>, bounds_.by_value("forms of the input", 0), bounds_.view(0), form(0), rule(), lanes());
        if (!give_birth(0)) return false;
        for (std::size_t i = 1; i + fold <= last; ++i) {
            if (settings_.intersect) bounds_.propagate(i);
            find_forms(i);
            if (!carry(i) || !give_birth(i)) return false;
            sum_radii(i);
            launch(stream(), find_ranges<>, bounds_.by_value("bounds from forms", i), bounds_.view(i),
                   bounds_.view(nodes()[i].input), form(i), bounds_.rounding(), settings_.intersect, feeds_relu(i), lanes());
            for (const std::size_t input : std::array{nodes()[i].input, nodes()[i].second})
                if (input != none && --readers_[input] == 0) release(input);
        }
        if (fold && !carry(last)) return false;
        compare(images, fold);
        result_.download(bounds_.order(), margins, images * classes());
        return true;
    }

    /// Constant parts of node i, and radii that need no coefficients.
    void find_forms(std::size_t i) {
        const auto& node = nodes()[i];
        if (node.kind != operation_kind::convolution)
            return launch(stream(), transform_forms<>, bounds_.by_value("forms of a layer", i), bounds_.view(i),
                          bounds_.view(node.input), form(node.input), second_form(i), form(i), rule(), bounds_.rounding(),
                          lanes());
        const std::size_t terms = node.terms(nodes()[node.input].shape) + 1, count = nodes()[node.input].size() * bounds_.lanes();
        launch(stream(), widen_forms<>, {.operation = "widening forms", .blocks = parts_of(count, 256)}, form(node.input),
               1.01 * (bounds_.rounding().program_sum(terms) + bounds_.rounding().bounds_sum(terms)), count, widened_lo_.data(),
               widened_hi_.data());
        auto in = bounds_.view(node.input), out = bounds_.view(i);
        in.lo = widened_lo_.data(), in.hi = widened_hi_.data();
        out.lo = form(i).lo, out.hi = form(i).hi;
        bounds_.convolve(i, out, in);
    }

    /// Room for the coefficients of a family at node i.
    [[nodiscard]] bool place(std::size_t i, std::size_t f) {
        places_[i][f] = memory_.take(families_[f]->values(i));
        return memory_.fits();
    }
    void release(std::size_t i) {
        for (auto& place : places_[i])
            if (place != none) memory_.give_back(std::exchange(place, none));
    }
    [[nodiscard]] coefficient_view view(std::size_t i, std::size_t f) const {
        return i == none || places_[i][f] == none ? coefficient_view{} : families_[f]->view(i, memory_.at(places_[i][f]));
    }

    /// A generator for every value of node i that needs one of its own.
    bool give_birth(std::size_t i) {
        const auto found = std::find_if(families_.begin(), families_.end(), [&](const auto& each) { return each->born() == i; });
        if (found == families_.end()) return true;
        auto& family = **found;
        try {
            family.list(fresh_.data());
        } catch (const out_of_device_memory&) {
            lists_lack_room_ = true;
            return false;
        }
        if (family.tiles() == 0) return true;
        const auto f = static_cast<std::size_t>(found - families_.begin());
        if (!place(i, f)) return false;
        launch(stream(), start_with_values<>, by_cell("new generators", i, family), bounds_.view(i), family.rows(), view(i, f),
               family.cells(i), static_cast<const double*>(fresh_.data()), lanes());
        return true;
    }
    /// The coefficients of node i from those of its inputs, family by family.
    bool carry(std::size_t i) {
        using enum operation_kind;
        const auto& node = nodes()[i];
        const bool stays =
            node.is_activation() || node.kind == scale_shift || (node.kind == flatten && nodes()[node.input].shape == node.shape);
        for (std::size_t f = 0; f < families_.size(); ++f) {
            auto& family = *families_[f];
            auto from = view(node.input, f), second = view(node.second, f);
            if (!from.data) std::swap(from, second);
            if (!from.data || family.cells(i) == 0) continue;  // nothing there, or it ends here
            if (stays && readers_[node.input] == 1)
                std::swap(places_[i][f], places_[node.input][f]);
            else if (!place(i, f))
                return false;
            const auto to = view(i, f);
            if (node.kind == convolution) {
                convolve(i, family, from, to);
            } else if (node.kind != flatten || to.data != from.data) {
                launch(stream(), carry_generators<>, by_cell("generators through a layer", i, family), bounds_.view(i),
                       bounds_.view(node.input), family.rows(), from, second, to, rule(), family.cells(i), lanes());
            }
        }
        return true;
    }
    void convolve(std::size_t i, const generator_family& family, const coefficient_view& from, const coefficient_view& to) {
        const auto& node = bounds_.view(i);
        with_product_tile(node.channels, [&]<class Tile>(Tile) {
            launch(stream(), convolve_generators<Tile>,
                   {.operation = "generators through a convolution",
                    .blocks = parts_of(static_cast<std::size_t>(node.channels), Tile::columns) *
                              static_cast<std::size_t>(family.cells(i)) * family.tiles(),
                    .threads = Tile::threads,
                    .shared = Tile::shared},
                   node, bounds_.view(nodes()[i].input), family.rows(), from, to, family.cells(i));
        });
    }
    /// Radii of node i where they are sums of coefficients.
    void sum_radii(std::size_t i) {
        using enum operation_kind;
        const auto kind = nodes()[i].kind;
        if (kind == convolution || kind == add || kind == average_pool)
            sum<false>(
                i, [&](const auto& family) { return family.sources(i); }, form(i).radius);
    }
    template <bool Differences, class Sources>
    void sum(std::size_t i, const Sources& sources, double* sums) {
        check(cudaMemsetAsync(sums, 0, nodes()[i].size() * bounds_.lanes() * sizeof(double), stream()), "clearing sums");
        const double factor = 1 + 1.01 * bounds_.rounding().bounds_sum(bounds_.network().summands());
        for (std::size_t f = 0; f < families_.size(); ++f)
            if (const auto a = view(i, f); a.data)
                launch(stream(), sum_coefficients<Differences>, bounds_.by_value("sums of coefficients", i), bounds_.view(i),
                       families_[f]->places(), a, sources(*families_[f]), factor, result_.labels(),
                       static_cast<int>(bounds_.images()), lanes(), sums);
    }
    void compare(std::size_t images, bool fold) {
        const std::size_t last = nodes().size() - 1, input = nodes()[last].input;
        sum<true>(
            last, [](const auto& family) { return family.all_positions(); }, differences_.data());
        launch(stream(), form_margins<>,
               {.operation = "margins of forms",
                .blocks = bounds_.lanes() / bound_lanes,
                .threads = bound_lanes,
                .rows = std::min<std::size_t>(classes(), 65535)},
               bounds_.view(last), bounds_.view(input), form(input), form(last), fold, bounds_.rounding(),
               static_cast<const double*>(differences_.data()), result_.labels(), static_cast<int>(images), lanes(),
               result_.margins());
    }

    /// Whether a ReLU is all that reads node i.
    [[nodiscard]] bool feeds_relu(std::size_t i) const {
        const auto& nodes = this->nodes().nodes();
        return nodes[i].consumers == 1 && std::any_of(nodes.begin(), nodes.end(), [&](const auto& reader) {
                   return reader.is_activation() && reader.function == activation_function::relu && reader.input == i;
               });
    }
    [[nodiscard]] static launch_config by_cell(std::string_view operation, std::size_t i, const generator_family& family) {
        return {.operation = operation,
                .blocks = family.tiles() * static_cast<std::size_t>(family.cells(i)),
                .threads = bound_lanes,
                .threads_y = substitution_threads};
    }

    zonotope settings_;
    device_bounds bounds_;
    detail::batch_margins result_;
    std::vector<std::size_t> first_;  ///< of every node: values of those before
    std::size_t values_ = 0, largest_ = 0, reserved_ = 0, at_once_ = std::size_t(-1);
    bool lists_lack_room_ = false;  ///< in the last run
    std::vector<std::unique_ptr<generator_family>> families_;
    std::vector<std::vector<std::size_t>>
        places_;                        ///< [node][family], values from the start of the memory; none: no coefficients
    std::vector<std::size_t> readers_;  ///< nodes that have not read it yet
    coefficient_memory memory_{settings_.memory};
    device_vector<double> forms_, slope_, fresh_, widened_lo_, widened_hi_, differences_;
    device_vector<int> chosen_;
};

}  // namespace saddle::cuda
