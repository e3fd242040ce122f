#pragma once
#include "saddle/attacks/attack_result.hpp"
#include "saddle/core/fingerprint.hpp"
#include "saddle/io/safetensors.hpp"

#include <charconv>
#include <filesystem>

namespace saddle {

/// What an ensemble of attacks has reached: its result so far and how many parts each image has been through. It can be saved at any
/// time and gone on from, bit for bit.
template <class T>
struct auto_attack_state {
    attack_result<T> result;
    std::vector<std::uint32_t> parts_done;  ///< per image

    /// Writes a .safetensors file; `recipe` names the ensemble's settings, `data` is a fingerprint of images, labels and ids.
    void save(const std::string& path, const std::string& recipe, std::uint64_t data) const {
        safetensors_file file;
        const std::size_t n = result.adversarial.size();
        const extents each = result.adversarial.each();
        const auto put = [&](const char* name, const auto& values) {
            using U = typename std::remove_cvref_t<decltype(values)>::value_type;
            file.tensors.push_back(make_entry(name, {values.size()}, std::span<const U>(values)));
        };
        file.tensors.push_back(
            make_entry("adversarial", {n, each.channels, each.height, each.width}, result.adversarial.values()));
        std::vector<std::uint8_t> status(n);
        for (std::size_t i = 0; i < n; ++i) status[i] = static_cast<std::uint8_t>(result.status[i]);
        put("status", status);
        put("clean_predictions", result.clean_predictions);
        put("adversarial_predictions", result.adversarial_predictions);
        put("loss", result.loss);
        put("forwards", result.forwards);
        put("gradients", result.gradients);
        put("parts_done", parts_done);
        std::vector<std::uint64_t> counts;
        std::vector<double> seconds;
        for (const auto& s : result.stages) {
            counts.insert(counts.end(), {s.attacked, s.successes, s.gradient_calls, s.forward_calls});
            seconds.push_back(s.seconds);
        }
        put("stage_counts", counts);
        put("stage_seconds", seconds);
        file.metadata = {{"format", "saddle ensemble state"}, {"recipe", recipe}, {"data", std::to_string(data)}};
        write_safetensors(path, file);
    }

    /// Reads a state back into this one, which begins as the ensemble makes it for the same images. Throws io_error for a file that is
    /// not such a state, invalid_argument for one of other settings, images or labels.
    void load(const std::string& path, const std::string& recipe, std::uint64_t data, const basic_images<T>& x) {
        const auto file = read_safetensors(path);
        const auto meta = [&](const char* name) {
            const auto at = file.metadata.find(name);
            return at == file.metadata.end() ? std::string() : at->second;
        };
        require<io_error>(meta("format") == "saddle ensemble state", path, "format", "a saddle ensemble state", meta("format"));
        require(meta("recipe") == recipe, path, "settings of the saved state", recipe, meta("recipe"));
        require(meta("data") == std::to_string(data), path, "fingerprint of images, labels and ids", data, meta("data"));
        const std::size_t n = x.size();
        const auto get = [&](const char* name, auto& values, std::size_t count) {
            using U = typename std::remove_cvref_t<decltype(values)>::value_type;
            const auto* tensor = file.find(name);
            require<io_error>(tensor != nullptr, path, "tensors of the state", name, "none of that name");
            values = values_as<U>(*tensor);
            require<io_error>(values.size() == count, path, name, count, values.size());
        };
        std::vector<T> pixels;
        get("adversarial", pixels, n * x.each().size());
        std::copy(pixels.begin(), pixels.end(), result.adversarial.data());
        std::vector<std::uint8_t> status;
        get("status", status, n);
        get("clean_predictions", result.clean_predictions, n);
        get("adversarial_predictions", result.adversarial_predictions, n);
        get("loss", result.loss, n);
        get("forwards", result.forwards, n);
        get("gradients", result.gradients, n);
        get("parts_done", parts_done, n);
        std::vector<std::uint64_t> counts;
        std::vector<double> seconds;
        get("stage_counts", counts, 4 * result.stages.size());
        get("stage_seconds", seconds, result.stages.size());
        for (std::size_t i = 0; i < n; ++i) {
            require<io_error>(status[i] <= static_cast<std::uint8_t>(attack_status::not_begun) &&
                                  parts_done[i] <= result.stages.size(),
                              path, text("status and parts of image ", i), "known ones", static_cast<int>(status[i]));
            result.status[i] = static_cast<attack_status>(status[i]);
            result.success[i] = result.status[i] == attack_status::succeeded;
            result.distances[i] = measure_perturbation(x[i], std::span<const T>(result.adversarial[i]), x.each());
        }
        for (std::size_t s = 0; s < result.stages.size(); ++s) {
            auto& stage = result.stages[s];
            stage.attacked = counts[4 * s], stage.successes = counts[4 * s + 1];
            stage.gradient_calls = counts[4 * s + 2], stage.forward_calls = counts[4 * s + 3];
            stage.seconds = seconds[s];
        }
    }
};

/// Fingerprint of what an ensemble's result depends on besides its settings and the model.
template <class T>
[[nodiscard]] std::uint64_t fingerprint_run(const basic_images<T>& x, const labels& y, std::span<const std::uint64_t> ids,
                                            std::span<const double> epsilons) {
    std::uint64_t sum = fingerprint(std::as_bytes(x.values()));
    sum = fingerprint(std::as_bytes(std::span(y)), sum);
    sum = fingerprint(std::as_bytes(ids), sum);
    return fingerprint(std::as_bytes(epsilons), sum);
}

/// A visitor of `describe` that writes "name=value;" with numbers that read back to the same bits.
class settings_text {
public:
    template <class Value>
    void operator()(std::string_view name, const Value& value) {
        written_ += text(name, '=');
        if constexpr (std::is_arithmetic_v<Value> && !std::is_same_v<Value, bool>) {
            char digits[64];
            written_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
        } else {
            written_ += text(value);
        }
        written_ += ';';
    }
    [[nodiscard]] const std::string& str() const { return written_; }

private:
    std::string written_;
};

}  // namespace saddle
