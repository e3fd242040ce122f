#pragma once
#include "saddle/data/cifar.hpp"
#include "saddle/data/generated_digits.hpp"
#include "saddle/data/idx.hpp"
#include "saddle/data/npy_dataset.hpp"
#include "saddle/data/stl10.hpp"

namespace saddle {

/// What load() reads.
struct load_options {
    /// At most so many training and test examples; 0 leaves the part out and does not touch its files.
    std::size_t train = all_examples, test = all_examples;
    /// A folder within the given one, such as "mnist"; empty: the given one.
    std::string name{};
    /// Seed of the generated set.
    std::uint64_t seed = 0;
    /// Order of the axes of images in .npy files.
    image_layout layout = image_layout::automatic;
    /// Which labels of CIFAR-100.
    cifar100_labels labels = cifar100_labels::fine;
};

namespace detail {

enum class set_kind { idx, cifar10, cifar100, stl10, npy };

inline constexpr std::string_view recognised_files =
    "train-images-idx3-ubyte[.gz] or t10k-images-idx3-ubyte[.gz] (MNIST, Fashion-MNIST), data_batch_1.bin or test_batch.bin "
    "(CIFAR-10), "
    "train.bin or test.bin (CIFAR-100), train_X.bin or test_X.bin (STL-10), train_images.npy or test_images.npy";

/// `folder/stem-idx3-ubyte`, plain or .gz; the plain name when neither exists, so that the reader's error names it.
[[gnu::cold]] inline std::string idx_path(const std::string& folder, const std::string& stem) {
    const std::string path = folder + "/" + stem + "-ubyte";
    return !is_file(path) && is_file(path + ".gz") ? path + ".gz" : path;
}

[[gnu::cold]] inline std::vector<set_kind> kinds_in(const std::string& folder) {
    const auto has = [&](const char* name) { return is_file(folder + "/" + name); };
    std::vector<set_kind> kinds;
    if (is_file(idx_path(folder, "train-images-idx3")) || is_file(idx_path(folder, "t10k-images-idx3")))
        kinds.push_back(set_kind::idx);
    if (has("data_batch_1.bin") || has("test_batch.bin")) kinds.push_back(set_kind::cifar10);
    if (has("train.bin") || has("test.bin")) kinds.push_back(set_kind::cifar100);
    if (has("train_X.bin") || has("test_X.bin")) kinds.push_back(set_kind::stl10);
    if (has("train_images.npy") || has("test_images.npy")) kinds.push_back(set_kind::npy);
    return kinds;
}

/// The folder itself when it holds a set, else the only known folder in it that does.
[[gnu::cold]] inline std::string find_set(const std::string& folder) {
    if (!is_folder(folder))
        throw io_error(text("load: '", folder, "' is not a folder; expected \"generated\" or a folder with ", recognised_files));
    if (!kinds_in(folder).empty()) return folder;
    std::vector<std::string> found;
    for (const char* name : {"mnist", "MNIST/raw", "fashion-mnist", "FashionMNIST/raw", "cifar10", "cifar-10-batches-bin",
                             "cifar100", "cifar-100-binary", "stl10", "stl10_binary"})
        if (!kinds_in(folder + "/" + name).empty()) found.push_back(folder + "/" + name);
    if (found.empty())
        throw io_error(text("load: no data set in '", folder,
                            "'; looked there, and in its folders mnist, MNIST/raw, fashion-mnist, FashionMNIST/raw, cifar10, "
                            "cifar-10-batches-bin, cifar100, cifar-100-binary, stl10 and stl10_binary, for ",
                            recognised_files));
    std::string names;
    for (const auto& path : found) names += text(names.empty() ? "'" : ", '", path, "'");
    require<invalid_argument>(found.size() == 1, "load", text("data sets in '", folder, "'"),
                              "one; give its folder, or its name in load_options::name", names);
    return found[0];
}

[[gnu::cold]] inline dataset load_idx(const std::string& folder, const std::string& stem, std::size_t limit) {
    const bool fashion = folder.find("ashion") != std::string::npos;
    auto data = read_idx(idx_path(folder, stem + "-images-idx3"), idx_path(folder, stem + "-labels-idx1"),
                         fashion ? "fashion-mnist" : "mnist", 10, limit);
    if (fashion)
        data.class_names = {"T-shirt/top", "trouser", "pullover", "dress", "coat",
                            "sandal",      "shirt",   "sneaker",  "bag",   "ankle boot"};
    else
        data.class_names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    return data;
}

[[gnu::cold]] inline dataset load_part(set_kind kind, const std::string& folder, bool train, std::size_t limit,
                                       const load_options& options) {
    const std::string start = folder + (train ? "/train" : "/test");
    switch (kind) {
    case set_kind::idx:
        return load_idx(folder, train ? "train" : "t10k", limit);
    case set_kind::cifar100:
        return read_cifar100(start + ".bin", options.labels, limit);
    case set_kind::stl10:
        return read_stl10(start + "_X.bin", start + "_y.bin", limit);
    case set_kind::npy:
        return read_npy_dataset(start + "_images.npy", start + "_labels.npy", "npy", 0, options.layout, limit);
    case set_kind::cifar10:
        break;
    }
    std::vector<std::string> paths{folder + "/test_batch.bin"};
    if (train) {
        paths.clear();
        for (int batch = 1; batch <= 5; ++batch) paths.push_back(text(folder, "/data_batch_", batch, ".bin"));
    }
    return read_cifar10(paths, limit);
}

}  // namespace detail

/// Loads the data set "generated" (generated_digits; 10,000 and 2,000 examples unless the options give numbers) or the one whose
/// files lie in a folder, which is recognised by their names: MNIST or Fashion-MNIST (IDX, plain or gzip), CIFAR-10, CIFAR-100,
/// STL-10 (binary versions) or {train,test}_{images,labels}.npy. Throws io_error for a missing or malformed file, with what was
/// looked for, invalid_argument for a folder with several sets, data_error for unusable data, shape_error when train and test
/// differ in extents.
[[nodiscard, gnu::cold]] inline split_dataset load(const std::string& directory_or_name = "generated",
                                                   const load_options& options = {}) {
    require(options.train > 0 || options.test > 0, "load", "numbers of examples", "a training or a test part", "0 and 0");
    if (directory_or_name == "generated")
        return generated_digits(options.train == all_examples ? 10'000 : options.train,
                                options.test == all_examples ? 2'000 : options.test, options.seed);
    const std::string folder =
        detail::find_set(options.name.empty() ? directory_or_name : directory_or_name + "/" + options.name);
    const auto kinds = detail::kinds_in(folder);
    require(kinds.size() == 1, "load", text("kinds of data set in '", folder, "'"), "one; keep each set in a folder of its own",
            kinds.size());

    split_dataset result;
    if (options.train > 0) result.train = detail::load_part(kinds[0], folder, true, options.train, options);
    if (options.test > 0) result.test = detail::load_part(kinds[0], folder, false, options.test, options);
    if (options.train > 0 && options.test > 0) {
        require<shape_error>(result.train.x.each() == result.test.x.each(), folder, "extents of the test images",
                             result.train.x.each(), result.test.x.each());
        result.train.classes = result.test.classes = std::max(result.train.classes, result.test.classes);
    }
    return result;
}

}  // namespace saddle
