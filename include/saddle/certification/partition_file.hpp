#pragma once
#include "saddle/certification/partition.hpp"
#include "saddle/io/file.hpp"

#include <nlohmann/json.hpp>

namespace saddle {

namespace detail {

/// Over all that the file says of the images, so that a changed digit does not pass.
[[nodiscard]] inline std::string partition_checksum(const partition& p, const std::string& statuses) {
    std::uint64_t sum = fingerprint(std::as_bytes(std::span(statuses)));
    std::vector<double> margins = p.margin;
    for (double& m : margins)
        if (std::isnan(m)) m = std::numeric_limits<double>::quiet_NaN();
    sum = fingerprint(std::as_bytes(std::span(margins)), sum);
    const auto& id = p.identity;
    for (const auto* part : {&id.model, &id.data, &id.box, &id.domain, &id.level, &id.arithmetic, &p.version})
        sum = fingerprint(std::as_bytes(std::span(*part)), sum);
    return hexadecimal(sum);
}

/// A letter per image: verified, unverified, misclassified, '.' for one not certified yet.
[[nodiscard]] inline std::string status_letters(const partition& p) {
    std::string letters(p.status.size(), '.');
    for (std::size_t i = 0; i < p.done; ++i)
        letters[i] = p.status[i] == certificate::verified ? 'v' : p.status[i] == certificate::unverified ? 'u' : 'm';
    return letters;
}

}  // namespace detail

/// The partition as JSON: identity, library version, a letter per image, the margins (numbers read back exactly) and a checksum.
[[nodiscard]] inline std::string partition_text(const partition& p) {
    const std::string statuses = detail::status_letters(p);
    nlohmann::ordered_json margins = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < p.done; ++i)
        margins.push_back(std::isfinite(p.margin[i]) ? nlohmann::ordered_json(p.margin[i]) : nlohmann::ordered_json(nullptr));
    const auto& id = p.identity;
    const nlohmann::ordered_json all{
        {"format", "saddle partition"},
        {"format_version", 1},
        {"version", p.version},
        {"model", id.model},
        {"data", id.data},
        {"images", id.images},
        {"box", id.box},
        {"epsilon", std::isfinite(id.epsilon) ? nlohmann::ordered_json(id.epsilon) : nlohmann::ordered_json(nullptr)},
        {"domain", id.domain},
        {"soundness", id.level},
        {"arithmetic", id.arithmetic},
        {"done", p.done},
        {"seconds", p.seconds},
        {"status", statuses},
        {"margin", margins},
        {"checksum", detail::partition_checksum(p, statuses)}};
    return all.dump() + '\n';
}

/// Reads what partition_text wrote. Throws io_error, naming `where`, for text that is no partition or was changed.
[[nodiscard]] inline partition parse_partition(const std::string& content, const std::string& where) {
    try {
        const auto j = nlohmann::json::parse(content);
        if (!j.is_object() || j.value("format", "") != "saddle partition")
            throw io_error(where + ": not a partition of this library");
        const int format = j.at("format_version");
        require<io_error>(format == 1, where, "version of the partition's format", 1, format);
        partition p;
        p.version = j.at("version");
        auto& id = p.identity;
        id.model = j.at("model"), id.data = j.at("data"), id.images = j.at("images"), id.box = j.at("box");
        if (!j.at("epsilon").is_null()) id.epsilon = j.at("epsilon");
        id.domain = j.at("domain"), id.level = j.at("soundness"), id.arithmetic = j.at("arithmetic");
        p.done = j.at("done"), p.seconds = j.at("seconds");
        const std::string statuses = j.at("status");
        const auto& margins = j.at("margin");
        require<io_error>(statuses.size() == id.images, where, "letters for images", id.images, statuses.size());
        require<io_error>(margins.is_array() && margins.size() == p.done && p.done <= id.images, where, "margins",
                          text("one for each of the ", p.done, " images done"), margins.size());
        p.status.assign(id.images, certificate::unverified);
        p.margin.assign(id.images, std::numeric_limits<double>::quiet_NaN());
        for (std::size_t i = 0; i < p.done; ++i) {
            const char c = statuses[i];
            require<io_error>(c == 'v' || c == 'u' || c == 'm', where, text("letter of image ", i), "v, u or m", c);
            p.status[i] = c == 'v' ? certificate::verified : c == 'u' ? certificate::unverified : certificate::misclassified;
            if (!margins[i].is_null()) p.margin[i] = margins[i];
        }
        const std::string expected = detail::partition_checksum(p, statuses), found = j.at("checksum");
        require<io_error>(expected == found, where, "checksum of a damaged partition", expected, found);
        return p;
    } catch (const nlohmann::json::exception& problem) {
        throw io_error(text(where, ": not a readable partition: ", problem.what()));
    }
}

/// Writes a partition as a JSON file, as a whole or not at all. Throws io_error when it cannot be written.
inline void save_partition(const partition& p, const std::string& path) { write_file_atomically(path, partition_text(p)); }

/// Reads a partition file. Throws io_error when it cannot be read, is no partition or damaged.
[[nodiscard]] inline partition load_partition(const std::string& path) { return parse_partition(read_text(path), path); }

/// The same for what is expected: throws data_error, with a line for every difference, for the partition of another model, data set, box,
/// domain, soundness level or arithmetic.
[[nodiscard]] inline partition load_partition(const std::string& path, const partition_identity& expected) {
    auto p = load_partition(path);
    require_same_partition(expected, p.identity, path);
    return p;
}

/// How a data set is partitioned.
struct partition_settings {
    std::string path{};                               ///< the partition is kept in this file; empty: nowhere
    std::size_t block = 1024;                         ///< images certified from one saving to the next, at least 1
    bool resume = true;                               ///< go on from the file where it exists; else it is replaced
    certify_settings certify{};                       ///< progress counts all images, those of earlier runs included
    std::function<void(const partition&)> observe{};  ///< after every block
};

/// Certifies every image by D and divides the set into misclassified, unverified and verified (catalogue C5), block by block.
///
/// With a path the partition is saved after every block, and a later call with the same arguments goes on from there: a complete file
/// costs no certification. When settings.certify.stop becomes true, the blocks that are finished are in the file, and `interrupted` is
/// thrown. Throws io_error for a file that is damaged or cannot be written, data_error for one that belongs to something else, and like
/// `certify`.
template <class D, class BoundScalar = void, class M, class T, class Box>
partition partition_dataset(const M& model, const basic_images<T>& x, const labels& y, const Box& box, worker_pool& pool,
                            const D& domain = {}, const partition_settings& settings = {}) {
    require(settings.block > 0, "partition_dataset", "block", "at least 1 image", settings.block);
    const auto identity = identify_partition<D, BoundScalar>(model, x, y, box, domain, settings.certify.level);
    box.validate(x.size(), "partition_dataset");
    partition p;
    p.identity = identity;
    p.status.assign(x.size(), certificate::unverified);
    p.margin.assign(x.size(), std::numeric_limits<double>::quiet_NaN());
    const bool saving = !settings.path.empty();
    if (saving && settings.resume && (is_file(settings.path) || is_folder(settings.path)))
        p = load_partition(settings.path, identity);
    else if (saving)
        save_partition(p, settings.path);  // a path that cannot be written shows before the work, not after it
    auto how = settings.certify;
    const auto falsified = settings.certify.falsified;
    require<shape_error>(falsified.empty() || falsified.size() == x.size(), "partition_dataset", "number of falsified flags",
                         x.size(), falsified.size());
    if (settings.certify.progress)
        how.progress = [&](std::size_t done, std::size_t) { settings.certify.progress(p.done + done, x.size()); };
    detail::with_certified_program(model, [&](const auto& program) {
        while (!p.complete()) {
            const std::size_t count = std::min(settings.block, x.size() - p.done), first = p.done;
            if (!falsified.empty()) how.falsified = falsified.subspan(first, count);
            const auto at = y.begin() + static_cast<std::ptrdiff_t>(first);
            const auto found =
                certify<D, BoundScalar>(program, x.slice(first, count), labels(at, at + static_cast<std::ptrdiff_t>(count)),
                                        detail::shifted_box<Box>{box, first}, pool, domain, how);
            std::copy(found.status.begin(), found.status.end(), p.status.begin() + static_cast<std::ptrdiff_t>(first));
            std::copy(found.margin.begin(), found.margin.end(), p.margin.begin() + static_cast<std::ptrdiff_t>(first));
            for (const double s : found.seconds) p.seconds += s;
            p.done += count;
            if (saving) save_partition(p, settings.path);
            if (settings.observe) settings.observe(p);
        }
    });
    return p;
}
/// The same with a pool of its own, of settings.certify.threads threads.
template <class D, class BoundScalar = void, class M, class T, class Box>
partition partition_dataset(const M& model, const basic_images<T>& x, const labels& y, const Box& box, const D& domain = {},
                            const partition_settings& settings = {}) {
    worker_pool pool(settings.certify.threads);
    return partition_dataset<D, BoundScalar>(model, x, y, box, pool, domain, settings);
}

}  // namespace saddle
