#pragma once
#include "saddle/backend/cuda/cuda.cuh"
#include "saddle/certification/certify.hpp"
#include "saddle/certification/cuda/device_ladder.cuh"

namespace saddle {

/// Weights of a device's program in fp32: what its kernels multiply with, scales of folded norms included.
template <>
struct program_weights<cuda::machine<cuda::fp32>> {
    using value_type = float;
    using machine = cuda::machine<cuda::fp32>;

    template <class Weight, class Bias>
    static void convolution(const machine& program, std::size_t step, Weight&& weight, Bias&& bias) {
        const auto& s = program.list().steps[step];
        const std::size_t inputs = program.list().tensors[s.op.input].shape.channels;
        const std::size_t outputs = program.list().tensors[s.op.output].shape.channels;
        const std::size_t taps = s.op.window.height * s.op.window.width;
        const auto values = download(program.parameter(s.op.weight), outputs * inputs * taps);
        const auto scale = s.folded ? download(program.scale_of(step), outputs) : std::vector<float>(outputs, 1.f);
        const float* const start = s.folded ? program.shift_of(step) : program.parameter(s.op.bias);
        const auto shift = start ? download(start, outputs) : std::vector<float>(outputs, 0.f);
        for (std::size_t o = 0; o < outputs; ++o) {
            bias(o, shift[o]);
            for (std::size_t c = 0; c < inputs; ++c)
                for (std::size_t t = 0; t < taps; ++t) weight(o, c, t, values[(o * inputs + c) * taps + t] * scale[o]);
        }
    }
    [[nodiscard]] static std::vector<float> constants(const machine& program, std::size_t step) {
        const std::size_t channels = program.list().tensors[program.list().steps[step].op.output].shape.channels;
        auto values = download(program.scale_of(step), channels);
        const auto shifts = download(program.shift_of(step), channels);
        values.insert(values.end(), shifts.begin(), shifts.end());
        return values;
    }

private:
    static std::vector<float> download(const float* from, std::size_t count) {
        std::vector<float> values(count);
        const cuda::stream order;
        cuda::copy_values(order.handle(), values.data(), from, count, cudaMemcpyDeviceToHost);
        order.synchronize();
        return values;
    }
};

}  // namespace saddle

namespace saddle::cuda {

/// What certification of a model on the device runs: the model's program in fp32, whatever arithmetic its attacks use, and its
/// network for bounds in double.
class certified_program {
public:
    using value_type = float;

    certified_program(const plan& p, std::span<const float> parameters, std::span<const float> buffers)
        : program_(p, parameters, buffers), network_(bound_network<double>(program_.steps())) {}

    [[nodiscard]] extents input() const { return program_.input(); }
    [[nodiscard]] std::size_t classes() const { return program_.classes(); }
    [[nodiscard]] const program<fp32>& program_in_fp32() const { return program_; }
    [[nodiscard]] const device_network& network() const { return network_; }

    /// saddle::certify on the device: batches of images, bounds in double, rounded outward to BoundScalar at the end. An image's
    /// `seconds` are its share of its batch's. A batch that finds no room is begun again with half as many images, down to 64.
    template <class BoundScalar, class D, class Box>
    [[nodiscard]] certification_result certify(const D& domain, const images& x, const labels& y, const Box& box,
                                               worker_pool& pool, const certify_settings& settings) const;

private:
    static constexpr std::size_t largest_batch = 2048;

    template <class BoundScalar>
    [[nodiscard]] static double rounded(double bound) {
        return std::is_same_v<BoundScalar, double> ? bound : static_cast<double>(round_down<BoundScalar>(bound));
    }

    /// Images of a batch: equal parts of what is to be done that fit into half of the memory that is free.
    [[nodiscard]] static std::size_t batch_size(std::size_t images, std::size_t bytes_per_lane) {
        std::size_t free = 0, total = 0;
        check(cudaMemGetInfo(&free, &total), "asking for free memory");
        const std::size_t fits = std::max(free / 2 / bytes_per_lane / lane_step * lane_step, lane_step);
        const std::size_t parts = parts_of(images, std::min(fits, largest_batch));
        return padded_lanes(parts_of(images, parts));
    }

    program<fp32> program_;
    device_network network_;
};

/// Logits [N][K] of all images.
[[nodiscard]] inline std::vector<float> logits_of(const certified_program& program, const images& x, worker_pool&) {
    std::vector<float> z(x.size() * program.classes());
    program.program_in_fp32().logits(x, z);
    return z;
}

template <class BoundScalar, class D, class Box>
certification_result certified_program::certify(const D& domain, const images& x, const labels& y, const Box& box,
                                                worker_pool& pool, const certify_settings& settings) const {
    static_assert(DeviceDomain<D>, "saddle: this domain has no kernels for a device; box, zonotope, deep_poly and ladders of "
                                   "them have (docs/certification.md)");
    if constexpr (DeviceDomain<D>) {
        using clock = std::chrono::steady_clock;
        const std::size_t count = x.size(), elements = x.each().size(), classes = this->classes();
        auto result = saddle::detail::start_certification<D>(input(), classes, x, y, box, settings,
                                                             [&] { return logits_of(*this, x, pool); });
        std::vector<std::size_t> open;
        for (std::size_t i = 0; i < count; ++i)
            if (saddle::detail::needs_analysis(result, i, y, settings)) open.push_back(i);
        std::size_t done = 0;
        const auto report = [&](std::size_t images) {
            for (; settings.progress && images > 0; --images) settings.progress(++done, count);
        };
        const auto heed_stop = [&] {
            if (settings.stop && settings.stop->load(std::memory_order_relaxed)) throw interrupted("certify: stopped on request");
        };
        heed_stop();
        report(count - open.size());
        if (open.empty()) return result;

        const auto begin = [&] {
            return std::make_unique<device_analysis<D>>(network_, domain, rounding_model::of<float, double>(settings.level));
        };
        auto analysis = begin();
        std::size_t batch = batch_size(open.size(), analysis->bytes_per_lane());
        pinned_vector<float> lower(batch * elements), upper(batch * elements);
        std::vector<int> truth(batch);
        std::vector<double> margins(batch * classes);
        for (std::size_t first = 0; first < open.size();) {
            heed_stop();
            const auto start = clock::now();
            const std::size_t images = std::min(batch, open.size() - first);
            pool.for_each(images, [&](std::size_t k, std::size_t) {
                const std::size_t i = open[first + k];
                box(i, x[i], std::span<float>(lower.data() + k * elements, elements),
                    std::span<float>(upper.data() + k * elements, elements));
                truth[k] = y[i];
            });
            try {
                analysis->reserve(batch);
                analysis->margins(lower.data(), upper.data(), truth.data(), images, margins.data());
            } catch (const out_of_device_memory&) {
                if (batch == lane_step) throw;
                batch = padded_lanes(batch / 2);
                analysis.reset();
                analysis = begin();
                continue;
            }
            const double share = std::chrono::duration<double>(clock::now() - start).count() / static_cast<double>(images);
            for (std::size_t k = 0; k < images; ++k) {
                const std::size_t i = open[first + k];
                for (std::size_t j = 0; j < classes; ++j)
                    result.margins[i * classes + j] = rounded<BoundScalar>(margins[k * classes + j]);
                saddle::detail::conclude(result, i, classes, static_cast<std::size_t>(y[i]));
                result.seconds[i] = share;
            }
            report(images);
            first += images;
        }
        return result;
    }
}

}  // namespace saddle::cuda

namespace saddle::detail {

template <class Backend>
    requires requires { requires static_cast<bool>(Backend::certifies_apart); }
struct certified_program<Backend, float> {
    [[nodiscard]] static auto make(const plan& p, std::span<const float> parameters, std::span<const float> buffers) {
        return cuda::certified_program(p, parameters, buffers);
    }
    template <class BoundScalar>
    static constexpr std::string_view arithmetic = std::is_same_v<BoundScalar, float> ? "double, rounded to float" : "double";
};

}  // namespace saddle::detail
