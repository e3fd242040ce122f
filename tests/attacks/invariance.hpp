#pragma once
#include "attacks/toy.hpp"
#include "support/catch.hpp"

#include <numeric>

/// Runs the attack on `x` cut into batches and in an order given by `order`; results are put back in place.
template <class A, class M>
saddle::attack_result<float> in_batches(const A& attack, const M& model, const saddle::images& x, const saddle::labels& y,
                                        std::size_t batch, std::size_t threads, const std::vector<std::size_t>& order) {
    saddle::worker_pool pool(threads);
    saddle::attack_result<float> all;
    all.adversarial = saddle::images(x.size(), x.each());
    all.success.resize(x.size());
    all.loss.resize(x.size());
    for (std::size_t first = 0; first < x.size(); first += batch) {
        const std::size_t count = std::min(batch, x.size() - first);
        saddle::images part(count, x.each());
        saddle::labels part_labels(count);
        std::vector<std::uint64_t> ids(count);
        for (std::size_t i = 0; i < count; ++i) {
            ids[i] = order[first + i];
            std::copy(x[ids[i]].begin(), x[ids[i]].end(), part[i].begin());
            part_labels[i] = y[ids[i]];
        }
        const auto result = saddle::perturb(attack, model, part, part_labels, pool, {.ids = ids});
        for (std::size_t i = 0; i < count; ++i) {
            std::copy(result.adversarial[i].begin(), result.adversarial[i].end(), all.adversarial[ids[i]].begin());
            all.success[ids[i]] = result.success[i];
            all.loss[ids[i]] = result.loss[i];
        }
    }
    return all;
}

template <class A, class M>
void check_invariance(const A& attack, const M& model, const saddle::images& x) {
    const auto y = predicted(model, x);
    std::vector<std::size_t> forward(x.size()), shuffled(x.size());
    std::iota(forward.begin(), forward.end(), std::size_t{0});
    const auto mixed = saddle::permutation(x.size(), saddle::random_stream({.seed = 8}));
    std::copy(mixed.begin(), mixed.end(), shuffled.begin());
    const auto expected = in_batches(attack, model, x, y, x.size(), 1, forward);
    const auto agrees = [&](std::size_t batch, std::size_t threads, const std::vector<std::size_t>& order) {
        const auto found = in_batches(attack, model, x, y, batch, threads, order);
        INFO("batch " << batch << " threads " << threads);
        CHECK(same_bits(found.adversarial, expected.adversarial));
        CHECK(same_bits<float>(found.loss, expected.loss));
        CHECK(found.success == expected.success);
    };
    for (const std::size_t threads : {2u, 3u, 5u}) agrees(128, threads, forward);
    for (const std::size_t batch : {1u, 7u, 16u, 128u}) agrees(batch, 2, shuffled);
}
