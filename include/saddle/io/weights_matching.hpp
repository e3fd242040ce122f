#pragma once
#include "saddle/io/safetensors.hpp"
#include "saddle/nn/plan.hpp"

#include <algorithm>

namespace saddle::detail {

/// A tensor that a model wants from a weights file.
struct wanted_tensor {
    std::string name;
    std::vector<std::size_t> dimensions;
    std::size_t offset = 0, size = 0;
    bool is_parameter = true, is_constant = false;

    [[nodiscard]] bool is_count() const { return leaf_of(name) == "num_batches_tracked"; }
    /// The model has its own constants, and no computation reads the count: both may be missing.
    [[nodiscard]] bool is_optional() const { return is_constant || is_count(); }

    static std::string_view leaf_of(std::string_view name) { return name.substr(name.rfind('.') + 1); }
    static std::string_view module_of(std::string_view name) { return name.substr(0, name.size() - leaf_of(name).size()); }
};

[[nodiscard, gnu::cold]] inline std::vector<wanted_tensor> wanted_tensors(const plan& p) {
    std::vector<wanted_tensor> wanted;
    for (const auto& info : p.parameters) wanted.push_back({info.name, info.dimensions, info.offset, info.size});
    for (const auto& info : p.buffers)
        wanted.push_back({info.name, info.dimensions, info.offset, info.size, false, info.constant});
    return wanted;
}

/// Which tensor of a file serves each wanted one (nullptr: none), and the names that serve none.
struct weights_match {
    std::vector<const tensor_entry*> found;
    std::vector<std::string> unexpected;
};

/// A file's tensors under their names without the prefixes that no wanted name starts with.
using named_tensors = std::vector<std::pair<std::string, const tensor_entry*>>;

[[nodiscard, gnu::cold]] inline named_tensors
strip_prefixes(const safetensors_file& file, const std::vector<wanted_tensor>& wanted, std::vector<std::string> prefixes) {
    std::erase_if(prefixes, [&](const std::string& prefix) {
        return prefix.empty() ||
               std::any_of(wanted.begin(), wanted.end(), [&](const auto& w) { return w.name.starts_with(prefix); });
    });
    named_tensors tensors;
    for (const auto& entry : file.tensors) {
        std::string_view name = entry.name;
        const auto carried = [&](const std::string& prefix) { return name.starts_with(prefix); };
        for (auto p = prefixes.begin(); (p = std::find_if(prefixes.begin(), prefixes.end(), carried)) != prefixes.end();)
            name.remove_prefix(p->size());
        tensors.emplace_back(name, &entry);
    }
    return tensors;
}

[[nodiscard, gnu::cold]] inline weights_match match_by_name(const std::vector<wanted_tensor>& wanted,
                                                            const named_tensors& tensors) {
    std::map<std::string_view, const tensor_entry*> by_name;
    weights_match match{std::vector<const tensor_entry*>(wanted.size()), {}};
    for (const auto& [name, entry] : tensors)
        if (!by_name.try_emplace(name, entry).second) match.unexpected.push_back(entry->name);
    for (std::size_t i = 0; i < wanted.size(); ++i)
        if (const auto place = by_name.find(wanted[i].name); place != by_name.end()) {
            match.found[i] = place->second;
            by_name.erase(place);
        }
    for (const auto& rest : by_name) match.unexpected.push_back(rest.second->name);
    return match;
}

/// "layer2" before "layer10": runs of digits compare as numbers.
[[nodiscard]] inline bool naturally_before(std::string_view a, std::string_view b) {
    const auto digits = [](std::string_view s) { return std::min(s.find_first_not_of("0123456789"), s.size()); };
    while (!a.empty() && !b.empty()) {
        const std::size_t m = digits(a), n = digits(b);
        if (m > 0 && n > 0) {
            if (m != n) return m < n;
            if (const int order = a.substr(0, m).compare(b.substr(0, n))) return order < 0;
        } else if (a[0] != b[0]) {
            return a[0] < b[0];
        }
        a.remove_prefix(std::max<std::size_t>(m, 1));
        b.remove_prefix(std::max<std::size_t>(n, 1));
    }
    return a.size() < b.size();
}

/// The file's modules (names up to the last dot) that hold floating-point tensors, in the order of the file.
///
/// The Python writer sorts tensors by name, so names found sorted tell nothing else; such modules are put in natural order.
[[nodiscard, gnu::cold]] inline std::vector<std::string_view> modules_in_order(const named_tensors& tensors) {
    std::vector<std::string_view> modules, names;
    for (const auto& [name, entry] : tensors) {
        if (entry->type[0] != 'F' && entry->type[0] != 'B') continue;
        names.push_back(name);
        const auto module = wanted_tensor::module_of(name);
        if (std::find(modules.begin(), modules.end(), module) == modules.end()) modules.push_back(module);
    }
    if (std::is_sorted(names.begin(), names.end())) std::sort(modules.begin(), modules.end(), naturally_before);
    return modules;
}

/// The model's n-th module takes the file's n-th, tensor by tensor of equal last name. Constants of the model stay as they are.
[[nodiscard, gnu::cold]] inline weights_match match_in_order(const std::vector<wanted_tensor>& wanted,
                                                             const named_tensors& tensors) {
    std::set<std::string_view> constants;
    std::vector<std::string_view> modules;
    for (const auto& w : wanted) {
        if (w.is_constant)
            constants.insert(wanted_tensor::leaf_of(w.name));
        else if (const auto module = wanted_tensor::module_of(w.name);
                 std::find(modules.begin(), modules.end(), module) == modules.end())
            modules.push_back(module);
    }
    named_tensors trained;
    for (const auto& each : tensors)
        if (!constants.count(wanted_tensor::leaf_of(each.first))) trained.push_back(each);
    const auto sources = modules_in_order(trained);

    named_tensors renamed;
    weights_match match;
    for (const auto& [name, entry] : trained) {
        const auto place =
            static_cast<std::size_t>(std::find(sources.begin(), sources.end(), wanted_tensor::module_of(name)) - sources.begin());
        if (place < modules.size())
            renamed.emplace_back(std::string(modules[place]) + std::string(wanted_tensor::leaf_of(name)), entry);
        else
            match.unexpected.push_back(entry->name);
    }
    auto named = match_by_name(wanted, renamed);
    named.unexpected.insert(named.unexpected.end(), match.unexpected.begin(), match.unexpected.end());
    return named;
}

}  // namespace saddle::detail
