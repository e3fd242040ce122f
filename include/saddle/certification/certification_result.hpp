#pragma once
#include "saddle/certification/rounding.hpp"
#include "saddle/core/images.hpp"

#include <string>

namespace saddle {

/// What is known of one image on its box (catalogue C5).
enum class certificate : std::uint8_t {
    misclassified,  ///< the image itself is not classified as its label
    unverified,     ///< correct, but not proven on the whole box
    verified        ///< every point of the box is classified as the label (ties count as such)
};

[[nodiscard]] inline std::string_view name_of(certificate c) {
    return c == certificate::verified ? "verified" : c == certificate::unverified ? "unverified" : "misclassified";
}

/// What certification says about N images.
struct certification_result {
    std::string domain;  ///< name of the domain
    soundness level = soundness::float_program;
    std::vector<certificate> status;  ///< one per image
    std::vector<double>
        margins;  ///< [N][K] lower bounds of logit[label] - logit[j]; NaN where the image is misclassified or falsified
    std::vector<double> margin;   ///< the smallest of each image's; NaN likewise
    labels predictions;           ///< of the images themselves; -1: the logits were not finite
    std::vector<double> seconds;  ///< spent on each image, by one thread

    [[nodiscard]] std::size_t count(certificate c) const {
        std::size_t n = 0;
        for (const auto s : status) n += s == c;
        return n;
    }
    /// Share of all images that are verified, in [0,1].
    [[nodiscard]] double certified_accuracy() const { return share(count(certificate::verified)); }
    /// Share of all images that are classified correctly, in [0,1].
    [[nodiscard]] double clean_accuracy() const { return share(status.size() - count(certificate::misclassified)); }

private:
    [[nodiscard]] double share(std::size_t n) const {
        return status.empty() ? 0 : static_cast<double>(n) / static_cast<double>(status.size());
    }
};

}  // namespace saddle
