#pragma once
#include "saddle/data/augment.hpp"

#include <optional>

namespace saddle {

/// How to run a training. Everything but `threads` decides the result, bit for bit.
struct trainer_settings {
    std::size_t epochs = 10, batch_size = 128;
    std::uint64_t seed = 0;
    std::size_t threads = 0;       ///< 0: one per hardware thread
    std::size_t accumulation = 1;  ///< parts that a batch is computed in, one after the other; divides the memory of activations
    bool shuffle = true;           ///< a new order each epoch, keyed by (seed, epoch)
    std::optional<crop_flip> augment{};  ///< a random crop and flip of each image, keyed by (seed, epoch, example)

    /// Throws invalid_argument for a member outside its range.
    void validate(std::string_view where) const {
        require(epochs >= 1 && epochs <= 0xffffffff, where, "epochs", "1 to 4294967295", epochs);
        require(batch_size >= 1, where, "batch_size", "at least 1", batch_size);
        require(accumulation >= 1 && accumulation <= batch_size, where, "accumulation", text("1 to the batch size, ", batch_size),
                accumulation);
        if (augment)
            require(augment->padding <= std::size_t{1} << 20, where, "padding of augment", "at most 1048576", augment->padding);
        require(threads <= 4096, where, "threads", "0 to 4096", threads);
    }
    template <class V>
    void describe(V&& visit) const {
        visit("epochs", epochs);
        visit("batch_size", batch_size);
        visit("seed", seed);
        visit("accumulation", accumulation);
        visit("shuffle", shuffle);
        visit("augment", augment ? text("padding ", augment->padding, " flip ", augment->flip) : "none");
    }
};

}  // namespace saddle
