#pragma once
#include "saddle/io/weights_matching.hpp"

namespace saddle {

/// How load_weights pairs a file's tensors with the model's.
enum class weights_order {
    by_name,  ///< equal names, as PyTorch's load_state_dict
    in_order  ///< the n-th module with the n-th, whatever it is called; tensors of a module by their last name ("weight", "bias")
};

struct load_weights_options {
    weights_order order = weights_order::by_name;
    bool strict = true;  ///< false: missing tensors keep their values and unexpected ones are passed over
    /// Taken off the file's names, repeatedly, unless the model has names that start so: what wrappers of PyTorch leave there.
    std::vector<std::string> prefixes{"module.", "model.", "_orig_mod."};
};

struct save_weights_options {
    bool constants = true;  ///< write constants (the mean and std of `normalize`) too
};

/// What a load that is not strict left out.
struct load_weights_report {
    std::vector<std::string> missing, unexpected;
};

namespace detail {

[[nodiscard, gnu::cold]] inline std::string describe_dimensions(const std::vector<std::size_t>& dimensions) {
    std::string list;
    for (const auto d : dimensions) list += (list.empty() ? "" : ",") + std::to_string(d);
    return '[' + list + ']';
}

/// Constants may carry axes of extent 1, as [1,3,1,1] for a mean per channel.
[[nodiscard, gnu::cold]] inline bool dimensions_fit(const wanted_tensor& w, std::vector<std::size_t> found) {
    if (w.is_constant || w.is_count()) {
        auto expected = w.dimensions;
        std::erase(found, 1u);
        std::erase(expected, 1u);
        return found == expected;
    }
    return found == w.dimensions;
}

/// A tensor's values for the model, or throws what is wrong with it.
template <class T>
[[nodiscard]] std::vector<T> checked_values(const wanted_tensor& w, const tensor_entry& entry) {
    require<shape_error>(dimensions_fit(w, entry.dimensions), entry.name, "shape", describe_dimensions(w.dimensions),
                         describe_dimensions(entry.dimensions));
    const bool is_floating = entry.type == "F16" || entry.type == "BF16" || entry.type == "F32" || entry.type == "F64";
    require<data_error>(is_floating || w.is_count(), entry.name, "element type", "F16, BF16, F32 or F64", entry.type);
    auto values = values_as<T>(entry);
    const bool is_scale = !w.is_parameter && (w.name.ends_with("running_var") || (w.is_constant && w.name.ends_with("std")));
    for (std::size_t i = 0; i < values.size(); ++i) {
        require<data_error>(std::isfinite(values[i]), entry.name, text("element ", i), "a finite number", values[i]);
        if (is_scale)
            require<data_error>(values[i] > 0 || (values[i] == 0 && !w.is_constant), entry.name, text("element ", i),
                                "a positive number", values[i]);
    }
    return values;
}

}  // namespace detail

/// Writes a model's weights and running statistics to a .safetensors file, atomically: names and layouts as PyTorch's state_dict
/// (OIHW, [out,in], num_batches_tracked as I64). Throws numeric_error for weights that are not finite and io_error.
template <class Model>
[[gnu::cold]] void save_weights(const Model& m, const std::string& path, const save_weights_options& options = {}) {
    using T = typename Model::value_type;
    safetensors_file file;
    file.metadata["format"] = "pt";
    for (const auto& w : detail::wanted_tensors(m.structure())) {
        if (w.is_constant && !options.constants) continue;
        const std::span<const T> values = (w.is_parameter ? m.parameters() : m.buffers()).subspan(w.offset, w.size);
        for (std::size_t i = 0; i < values.size(); ++i)
            require<numeric_error>(std::isfinite(values[i]), "save_weights", text("'", w.name, "' element ", i),
                                   "a finite number", values[i]);
        if (w.is_count()) {
            const std::int64_t count = std::llround(values[0]);
            file.tensors.push_back(make_entry(w.name, w.dimensions, std::span<const std::int64_t>(&count, 1)));
        } else {
            file.tensors.push_back(make_entry(w.name, w.dimensions, values));
        }
    }
    // The widest elements first, so that each tensor of the file is aligned.
    safetensors_file ordered{{}, file.metadata};
    for (const std::size_t width : {8, 4, 2, 1})
        for (auto& t : file.tensors)
            if (element_size(t.type) == width) ordered.tensors.push_back(std::move(t));
    write_safetensors(path, ordered);
}

/// Reads weights and running statistics from a .safetensors file of F16, BF16, F32 or F64 tensors into a model; all or nothing.
///
/// Wrong shapes and types, values that are not finite, missing names and unexpected ones are listed in one io_error. Constants and
/// num_batches_tracked may be missing. In order: the Python writer sorts tensors by name, so in such a file the order is that of
/// the modules' names, numbers compared as numbers ("0", "2", "10"; "conv1", "conv2", "fc1"): use it only where that is the network's.
template <class Model>
[[gnu::cold]] load_weights_report load_weights(Model& m, const std::string& path, const load_weights_options& options = {}) {
    using T = typename Model::value_type;
    const auto file = read_safetensors(path);
    const auto wanted = detail::wanted_tensors(m.structure());
    const auto tensors = detail::strip_prefixes(file, wanted, options.prefixes);
    const auto match = options.order == weights_order::by_name ? detail::match_by_name(wanted, tensors)
                                                               : detail::match_in_order(wanted, tensors);

    load_weights_report report{{}, match.unexpected};
    std::vector<std::vector<T>> values(wanted.size());
    std::string problems;
    std::size_t found = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (!match.found[i]) {
            if (!wanted[i].is_optional()) report.missing.push_back(wanted[i].name);
            continue;
        }
        ++found;
        try {
            values[i] = detail::checked_values<T>(wanted[i], *match.found[i]);
        } catch (const error& problem) {
            problems += text("\n  ", problem.what());
        }
    }
    if (options.strict || found == 0) {
        for (const auto& name : report.missing) problems += text("\n  missing: ", name);
        for (const auto& name : report.unexpected) problems += text("\n  unexpected: ", name);
    }
    if (!problems.empty()) throw io_error(text(path, ": the weights do not fit the model:", problems));

    for (std::size_t i = 0; i < wanted.size(); ++i)
        std::copy(values[i].begin(), values[i].end(),
                  (wanted[i].is_parameter ? m.parameters() : m.buffers()).begin() +
                      static_cast<std::ptrdiff_t>(wanted[i].offset));
    return report;
}

}  // namespace saddle
