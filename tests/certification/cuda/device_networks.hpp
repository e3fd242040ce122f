#pragma once
#include "certification/networks.hpp"
#include "saddle/certification/cuda/device_analysis.cuh"

/// The analyses of the emulated device beside those of the processor, on the same bound network in double.
namespace saddle::testing {

/// Boxes of several images, one after another as the device takes them.
struct box_batch {
    std::vector<random_box> boxes;
    std::vector<float> lower, upper;
    std::vector<int> labels;

    box_batch(std::size_t images, std::size_t size, double radius, std::size_t classes = 4) {
        for (std::size_t i = 0; i < images; ++i) {
            boxes.emplace_back(size, radius, 20 + i);
            lower.insert(lower.end(), boxes[i].lower.begin(), boxes[i].lower.end());
            upper.insert(upper.end(), boxes[i].upper.begin(), boxes[i].upper.end());
            labels.push_back(static_cast<int>(i % classes));
        }
    }
};

/// One domain on the processor and on the device for one model.
template <class Domain, class Model>
struct both_devices {
    analysed<Domain, double, Model> host;
    cuda::device_network network;
    cuda::device_analysis<Domain> device;

    both_devices(const Model& m, const Domain& domain, soundness level)
        : host(m, domain, level), network(bound_network<double>(host.program.steps())),
          device(network, domain, rounding_model::of<typename Model::value_type, double>(level)) {}

    std::vector<double> device_margins(const box_batch& batch) {
        std::vector<double> margins(batch.labels.size() * host.network.classes());
        device.reserve(cuda::padded_lanes(batch.labels.size()));
        device.margins(batch.lower.data(), batch.upper.data(), batch.labels.data(), batch.labels.size(), margins.data());
        return margins;
    }
    std::vector<double> host_margins(const box_batch& batch, std::size_t image) {
        return host.margins(batch.boxes[image], static_cast<std::size_t>(batch.labels[image]));
    }
};

}  // namespace saddle::testing
