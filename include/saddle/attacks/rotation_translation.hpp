#pragma once
#include "saddle/attacks/candidate_runner.hpp"
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/projections/box_only.hpp"

#include <numbers>

namespace saddle {

/// The rotations and shifts of a block of lanes.
template <class Attack, class V>
class rotation_source {
public:
    using T = lane_scalar<V>;
    static constexpr std::size_t lanes = lane_values<V>::size;

    rotation_source(const Attack& attack, extents image) : attack_(attack), image_(image) {}

    void load(const block_job<T, lanes>&) {}
    void place(std::size_t candidate, const std::uint64_t* ids, const block_job<T, lanes>& job, T* z) {
        std::uint64_t last = 0;
        for (std::size_t l = 0; l < lanes; ++l) {
            if (l == 0 || attack_.draws > 0) {
                if (l > 0 && ids[l] == last) {
                    copy(job.x, l, z);
                    continue;
                }
                last = ids[l];
                aim(attack_.transform(candidate, ids[l], job.settings->epoch));
            }
            copy(job.x, l, z);
        }
    }

private:
    /// Where a pixel comes from: four neighbours and their weights; weight 0 outside.
    struct origin {
        std::array<std::uint32_t, 4> pixel;
        std::array<T, 4> weight;
    };

    void aim(const typename Attack::motion& m) {
        origins_.resize(image_.pixels());
        const double angle = m.degrees * std::numbers::pi / 180, c = std::cos(angle), s = std::sin(angle);
        const double y0 = (static_cast<double>(image_.height) - 1) / 2, x0 = (static_cast<double>(image_.width) - 1) / 2;
        for (std::size_t row = 0; row < image_.height; ++row)
            for (std::size_t column = 0; column < image_.width; ++column) {
                const double y = static_cast<double>(row) - y0 - m.down, x = static_cast<double>(column) - x0 - m.right;
                const double from_y = c * y - s * x + y0, from_x = s * y + c * x + x0;
                const double top = std::floor(from_y), left = std::floor(from_x);
                auto& o = origins_[row * image_.width + column];
                for (std::size_t k = 0; k < 4; ++k) {
                    const double r = k < 2 ? top : top + 1, q = left + static_cast<double>(k % 2);
                    const bool inside =
                        r >= 0 && q >= 0 && r < static_cast<double>(image_.height) && q < static_cast<double>(image_.width);
                    o.pixel[k] = inside ? static_cast<std::uint32_t>(r) * static_cast<std::uint32_t>(image_.width) +
                                              static_cast<std::uint32_t>(q)
                                        : 0;
                    o.weight[k] = inside ? static_cast<T>((1 - std::abs(from_y - r)) * (1 - std::abs(from_x - q))) : T(0);
                }
            }
    }
    void copy(const T* x, std::size_t l, T* z) const {
        const std::size_t pixels = image_.pixels();
        for (std::size_t channel = 0; channel < image_.channels; ++channel)
            for (std::size_t p = 0; p < pixels; ++p) {
                const auto& o = origins_[p];
                T sum(0);
                for (std::size_t k = 0; k < 4; ++k) sum += o.weight[k] * x[(channel * pixels + o.pixel[k]) * lanes + l];
                z[(channel * pixels + p) * lanes + l] = std::min(sum, T(1));
            }
    }

    const Attack& attack_;
    extents image_;
    std::vector<origin> origins_;
};

/// Rotations and translations (Engstrom et al. 2019): the one of the highest loss, over a grid or among random draws. Black box.
///
/// The image is turned about its centre by up to `largest_angle` degrees and shifted by up to `largest_shift` pixels in each direction,
/// bilinear, zeros from outside. Grid: `angles` × `shifts` × `shifts` values, ends included (31 × 5 × 5 = 775 in the paper). With
/// `draws` > 0 so many uniform draws instead (the paper's worst of 10). No Lp bound: the threat is the range.
struct rotation_translation {
    using projection_type = box_only;
    static constexpr bool needs_gradient = false;
    /// One transformation: degrees against the clock, pixels down and to the right.
    struct motion {
        double degrees = 0, down = 0, right = 0;
    };

    std::string_view name = "rotation-translation";
    box_only projection{};
    double largest_angle = 30, largest_shift = 3;
    std::size_t angles = 31, shifts = 5;  ///< of the grid, >= 1; 1 is no motion
    std::size_t draws = 0;                ///< > 0: random search
    cross_entropy loss{};
    target_rule targets = target_rule::untargeted;
    keep_rule keep = keep_rule::best;
    bool early_stop = false;
    std::uint64_t seed = 0;

    template <class S>
    using runner = candidate_runner<rotation_translation, S>;
    template <class V>
    using source = rotation_source<rotation_translation, V>;

    [[nodiscard]] std::size_t candidates() const { return draws > 0 ? draws : angles * shifts * shifts; }
    [[nodiscard]] bool targeted() const { return targets != target_rule::untargeted; }
    [[nodiscard]] std::size_t trace_columns() const { return candidates(); }
    /// Candidate `number` of the image `id`.
    [[nodiscard]] motion transform(std::size_t number, std::uint64_t id, std::uint32_t epoch) const {
        if (draws > 0) {
            const random_stream stream(
                {.seed = seed, .purpose = purpose::sample, .epoch = epoch, .sample = static_cast<std::uint32_t>(number)});
            const auto draw = [&](std::uint64_t e) { return 2. * static_cast<double>(stream.uniform(id, e)) - 1; };
            return {largest_angle * draw(0), largest_shift * draw(1), largest_shift * draw(2)};
        }
        const auto level = [](std::size_t i, std::size_t n) {
            return n == 1 ? 0. : 2. * static_cast<double>(i) / static_cast<double>(n - 1) - 1;
        };
        return {largest_angle * level(number / (shifts * shifts), angles),
                largest_shift * level(number / shifts % shifts, shifts), largest_shift * level(number % shifts, shifts)};
    }
    void validate(std::string_view where) const {
        require(largest_angle >= 0 && largest_angle <= 180, where, "largest_angle", "a number in [0,180]", largest_angle);
        require(largest_shift >= 0 && largest_shift <= 1e6, where, "largest_shift", "a number in [0, 1e6]", largest_shift);
        require(angles >= 1 && angles <= 100'000, where, "angles", "1 to 100000", angles);
        require(shifts >= 1 && shifts <= 1'000, where, "shifts", "1 to 1000", shifts);
        require(draws <= 100'000'000, where, "draws", "at most 100000000", draws);
    }
    template <class Visit>
    void describe(Visit&& visit) const {
        visit("name", name);
        visit("largest_angle", largest_angle);
        visit("largest_shift", largest_shift);
        visit("angles", angles);
        visit("shifts", shifts);
        visit("draws", draws);
        visit("targets", name_of(targets));
        visit("keep", name_of(keep));
        visit("early_stop", early_stop);
        visit("seed", seed);
    }
};

}  // namespace saddle
