#pragma once
#include "saddle/certification/cuda/device_zonotope.cuh"
#include "saddle/certification/ladder.hpp"

namespace saddle::cuda {

/// A ladder on the device: each domain runs on the images of a batch that those before it left open; a margin is the best of the
/// domains that were run.
template <class... Domains>
    requires(DeviceDomain<Domains>&&...)
class device_analysis<ladder<Domains...>> {
public:
    device_analysis(const device_network& network, const ladder<Domains...>& settings, rounding_model rounding)
        : elements_(network.network().input().size()), classes_(network.network().classes()) {
        std::apply(
            [&](const auto&... domain) { steps_ = {std::make_unique<device_analysis<Domains>>(network, domain, rounding)...}; },
            settings.domains);
    }

    [[nodiscard]] std::size_t bytes_per_lane() const {
        return std::apply([](const auto&... step) { return (step->bytes_per_lane() + ...); }, steps_);
    }
    void reserve(std::size_t lanes) {
        std::apply([&](auto&... step) { (step->reserve(lanes), ...); }, steps_);
    }
    /// As that of each domain.
    void margins(const float* lower, const float* upper, const int* labels, std::size_t images, double* margins) {
        open_.resize(images);
        for (std::size_t i = 0; i < images; ++i) open_[i] = i;
        bool first = true;
        const auto run = [&](auto& analysis) {
            if (first)
                analysis->margins(lower, upper, labels, images, margins);
            else if (!open_.empty())
                run_on_open(*analysis, lower, upper, labels, margins);
            first = false;
            std::erase_if(open_, [&](std::size_t i) {
                const double* const m = margins + i * classes_;
                return std::all_of(m, m + classes_, [](double margin) { return margin >= 0; });  // that of the label is 0
            });
        };
        std::apply([&](auto&... step) { (run(step), ...); }, steps_);
    }

private:
    template <class Analysis>
    void run_on_open(Analysis& analysis, const float* lower, const float* upper, const int* labels, double* margins) {
        const std::size_t count = open_.size();
        lower_.resize(count * elements_), upper_.resize(count * elements_);
        labels_.resize(count);
        found_.resize(count * classes_);
        for (std::size_t k = 0; k < count; ++k) {
            std::copy_n(lower + open_[k] * elements_, elements_, lower_.data() + k * elements_);
            std::copy_n(upper + open_[k] * elements_, elements_, upper_.data() + k * elements_);
            labels_[k] = labels[open_[k]];
        }
        analysis.margins(lower_.data(), upper_.data(), labels_.data(), count, found_.data());
        for (std::size_t k = 0; k < count; ++k)
            for (std::size_t j = 0; j < classes_; ++j) {
                const double bound = found_[k * classes_ + j];
                double& margin = margins[open_[k] * classes_ + j];
                if (bound > margin || std::isnan(margin)) margin = bound;
            }
    }

    std::tuple<std::unique_ptr<device_analysis<Domains>>...> steps_;
    std::size_t elements_, classes_;
    std::vector<std::size_t> open_;
    std::vector<float> lower_, upper_;
    std::vector<int> labels_;
    std::vector<double> found_;
};

}  // namespace saddle::cuda
