#pragma once
#include "saddle/certification/certification_result.hpp"
#include "saddle/core/shape.hpp"
#include "saddle/core/version.hpp"
#include "saddle/evaluation/statistics.hpp"

#include <concepts>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace saddle {

/// Value of a number that was not measured; writers show it as a dash, an empty field or null.
inline constexpr double not_measured = std::numeric_limits<double>::quiet_NaN();

/// "major.minor.patch" of the library.
[[nodiscard]] inline std::string library_version() {
    return text(SADDLE_VERSION_MAJOR, '.', SADDLE_VERSION_MINOR, '.', SADDLE_VERSION_PATCH);
}

/// One setting of an attack, a training or a build, by name.
struct setting {
    std::string name;
    std::variant<bool, std::int64_t, double, std::string> value;

    setting(std::string n, bool v) : name(std::move(n)), value(v) {}
    template <std::integral I>
    setting(std::string n, I v) : name(std::move(n)), value(static_cast<std::int64_t>(v)) {}
    template <std::floating_point F>
    setting(std::string n, F v) : name(std::move(n)), value(static_cast<double>(v)) {}
    setting(std::string n, std::string v) : name(std::move(n)), value(std::move(v)) {}
    setting(std::string n, const char* v) : name(std::move(n)), value(std::string(v)) {}
};

/// Correctly classified examples out of all: a share with its exact (Clopper-Pearson) or score (Wilson) confidence interval.
struct accuracy {
    std::size_t correct = 0, examples = 0;
    double confidence = .95;

    /// NaN without examples.
    [[nodiscard]] double share() const {
        return examples == 0 ? not_measured : static_cast<double>(correct) / static_cast<double>(examples);
    }
    [[nodiscard]] interval exact_interval() const { return clopper_pearson(correct, examples, confidence); }
    [[nodiscard]] interval score_interval() const { return wilson(correct, examples, confidence); }
};

/// A model of the report.
struct model_summary {
    std::string name{}, network{}, training{};  ///< training: the recipe in words
    std::uint64_t parameters = 0;
    accuracy clean{};
    double training_seconds = not_measured;
    std::vector<setting> settings{};
};

/// Sizes of the perturbations of one attack, over its successes. L0 counts pixels (a pixel counts once however many channels
/// changed).
struct distortions {
    sample_summary linf, l2, l1, l0;
};

/// One attack on one model at one epsilon.
struct attack_row {
    std::string model{}, attack{}, norm{};
    double epsilon = not_measured;
    std::vector<setting> settings{};
    accuracy clean, robust;          ///< robust: correct on the clean image and not moved by the attack, of all examples
    std::size_t successes = 0;       ///< correctly classified examples that the attack changed, verified
    std::size_t rejected = 0;        ///< results outside ball or range, or not reproduced; not counted as successes
    std::size_t invalid_logits = 0;  ///< examples, clean or attacked, with NaN or infinite logits
    distortions distortion;
    double loss = not_measured;                           ///< mean cross-entropy on the attacked images
    std::vector<double> accuracy_after_step;              ///< element s: after s iterations (0: the start)
    std::vector<std::uint8_t> survived;                   ///< per example: 1 where `robust` counts it
    std::uint64_t gradient_calls = 0, forward_calls = 0;  ///< summed over examples
    double seconds = not_measured;
};

/// What one domain proves of one model on the Linf balls of one radius.
struct certified_row {
    std::string model{}, domain{}, level{};  ///< level: what the proofs hold for
    double epsilon = not_measured;
    std::vector<setting> settings{};
    accuracy clean{}, certified{};      ///< certified: proven to keep the right class on the whole ball, of all examples
    std::vector<certificate> status{};  ///< per example
    double seconds = not_measured;      ///< of one thread, summed over examples
};

/// The largest Linf radius that one domain proves for each example of one model.
struct certified_radii {
    std::string model{}, domain{}, level{};
    double upper = not_measured, tolerance = not_measured;  ///< of the search
    std::vector<double> radius{};  ///< per example; 0: none is proven, NaN: the example itself is classified wrongly
    double seconds = not_measured;
};

/// Two models on the same examples: those that exactly one of them gets right, and McNemar's exact p-value.
struct paired_comparison {
    std::string first, second, setting;  ///< setting: what was compared, e.g. "PGD, epsilon 0.1"
    std::size_t both = 0, only_first = 0, only_second = 0, neither = 0;
    double p_value = 1;
};

/// A line of a chart. `lower` and `upper` are empty or as long as y; a NaN leaves a gap. Lines of one `color` belong together
/// (a model), `dash` tells them apart (its attacks); negative: by order.
struct curve {
    std::string name{};
    std::vector<double> x{}, y{}, lower{}, upper{};
    int color = -1, dash = 0;
};

/// A line chart with axes; `share` axes run from 0 to 100 %.
struct chart {
    std::string title{}, caption{}, x_label{}, y_label{};
    std::vector<curve> curves{};
    bool share = false;
};

/// How the values [C,H,W] of a picture become colours.
enum class value_kind {
    intensity,   ///< an image in [0,1]
    difference,  ///< a perturbation: the middle colour is 0, the ends are ± the largest magnitude
    gradient     ///< the same with ± three standard deviations (Tsipras et al. 2019)
};

/// One picture of a grid, with a line of text under it.
struct grid_cell {
    value_kind kind = value_kind::intensity;
    extents size{};
    std::vector<float> values{};
    std::string caption{};
    bool highlighted = false;  ///< marks a wrong prediction
};

/// Pictures in rows (one an example) and named columns.
struct picture_grid {
    std::string title{}, caption{};
    std::vector<std::string> columns{};
    std::vector<std::vector<grid_cell>> rows{};
};

/// Everything a report shows. Plain data: `evaluate` fills rows, the caller the rest; nothing is read from clock or machine.
struct report {
    std::string title = "Robustness report", date, version = library_version();
    std::string data_name, data_note;  ///< e.g. "MNIST test", "the first 1,000 images"
    std::uint64_t data_size = 0;
    std::size_t classes = 0;
    extents image;
    std::uint64_t seed = 0;
    std::size_t threads = 0;               ///< 0: not told
    double epsilon = not_measured;         ///< the one that the summary shows; NaN: the largest with most rows
    std::vector<setting> build, settings;  ///< how the program was built; what it was asked for
    std::vector<model_summary> models;
    std::vector<attack_row> rows;
    std::vector<certified_row> certified;
    std::vector<certified_radii> radii;
    std::vector<paired_comparison> comparisons;
    std::vector<chart> charts;  ///< further charts, after those drawn from the rows
    std::vector<picture_grid> pictures;
    std::vector<std::string> notes;  ///< what a reader must know, e.g. results that were rejected
};

}  // namespace saddle
