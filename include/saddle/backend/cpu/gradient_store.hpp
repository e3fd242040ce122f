#pragma once
#include "saddle/backend/cpu/weight_gradient.hpp"

namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE {

/// Collects weight gradients: per-block sums where weights are few, operands kept until all blocks are there where they are many.
///
/// Both ways each weight gets the fold, in block order, of its per-block sums.
template <class V>
class gradient_store {
public:
    using T = typename V::value_type;

    gradient_store(const machine<V>& program, const plan& p) : machine_(program), parameters_(p.parameters) {
        const auto& list = machine_.list();
        entries_.resize(list.steps.size());
        for (std::size_t i = 0; i < list.steps.size(); ++i) {
            const auto& op = list.steps[i].op;
            auto& e = entries_[i];
            if (op.kind == operation_kind::convolution) {
                const auto& in = list.tensors[op.input];
                const auto& out = list.tensors[op.output];
                e.job = plan_gradient(op.window, in, out, V::size);
                e.deferred = e.job.transposed && parameters_[op.weight].size > (in.shape.size() + out.shape.size()) * V::size;
                widest_transposed_ = std::max(widest_transposed_, e.job.transposed_size(V::size));
                e.output_size = out.size() * V::size;
            }
        }
    }

    /// Step i will not be collected: its weights' gradient is someone else's. Before reserve.
    void leave_out(std::size_t i) { entries_[i].deferred = false; }

    /// Room for `blocks` blocks; `keeps_operands` says that every block's tensors stay until finish_step.
    void reserve(std::size_t blocks, std::size_t transposers, bool keeps_operands) {
        keeps_operands_ = keeps_operands;
        std::size_t sums = 0, kept = 0;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            const auto& op = machine_.list().steps[i].op;
            auto& e = entries_[i];
            e.sums = sums;
            e.kept = kept;
            if (op.kind == operation_kind::convolution) {
                if (!deferred(e)) sums += round(e.job.sums(V::size));
                if (e.deferred && !keeps_operands_) kept += round(e.job.transposed_size(V::size)) + round(e.output_size);
                e.bias_sums = sums;
                if (op.bias != none) sums += round(parameters_[op.bias].size);
            } else if (op.kind == operation_kind::group_norm) {
                sums += round(2 * parameters_[op.weight].size);
            } else if (op.kind == operation_kind::custom) {
                for (std::size_t k = 0; k < op.parameters; ++k) sums += round(parameters_[op.first_parameter + k].size);
            }
        }
        each_sums_ = sums;
        each_kept_ = kept;
        if (sums_.size() < blocks * sums) sums_ = lane_vector<T>(blocks * sums);
        if (kept_.size() < blocks * kept) kept_ = lane_vector<T>(blocks * kept);
        place_custom_sums(blocks);
        transposed_.resize(transposers);
        for (auto& t : transposed_) t.resize(widest_transposed_);
    }

    void start_block(std::size_t b) {
        std::fill_n(sums_.begin() + static_cast<std::ptrdiff_t>(b * each_sums_), each_sums_, T(0));
    }

    /// Takes what step i of block b contributes; its output's gradient is complete.
    void collect(std::size_t i, const block_memory<T>& m, std::size_t b, std::size_t worker) {
        const auto& op = machine_.list().steps[i].op;
        const auto& e = entries_[i];
        T* const sums = sums_.data() + b * each_sums_ + e.sums;
        if (op.kind == operation_kind::convolution) {
            collect_convolution(i, m, b, worker, sums);
        } else if (op.kind == operation_kind::group_norm) {
            group_norm_gradient<V>(op, block<const T>(machine_.value(op.input, m)),
                                   block<const T>(machine_.gradient(op.output, m)), sums, sums + parameters_[op.weight].size);
        } else if (op.kind == operation_kind::custom && op.parameters > 0) {
            T* const* const places = custom_places_.data() + b * parameters_.size() + op.first_parameter;
            reinterpret_cast<typename custom_signatures<T>::gradient>(op.custom.gradient)(
                machine_.value(op.input, m), machine_.value(op.output, m), machine_.gradient(op.output, m),
                std::span(places, op.parameters));
        }
    }

    /// With every block's tensors at hand: the weight gradient of step i, threads sharing the rows.
    template <class Place>
    void finish_step(std::size_t i, std::size_t blocks, worker_pool& pool, std::span<T> gradient, Place&& place) {
        const auto& op = machine_.list().steps[i].op;
        if (op.kind != operation_kind::convolution) return;
        std::vector<const T*> inputs(blocks), gradients(blocks);
        for (std::size_t b = 0; b < blocks; ++b) {
            const auto m = place(b);
            inputs[b] = entries_[i].job.transposed ? transposed_[b].data() : machine_.value_storage(op.input, m);
            gradients[b] = machine_.gradient_storage(op.output, m);
        }
        fold_rows(i, inputs, gradients, pool, gradient);
    }

    /// Folds what the blocks left, in block order, and adds it to the gradient.
    void finish(std::size_t blocks, worker_pool& pool, std::span<T> gradient) {
        pool.for_each(entries_.size(), [&](std::size_t i, std::size_t) { fold_sums(i, blocks, gradient); });
        if (keeps_operands_) return;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            const auto& e = entries_[i];
            if (!e.deferred) continue;
            std::vector<const T*> inputs(blocks), gradients(blocks);
            for (std::size_t b = 0; b < blocks; ++b) {
                inputs[b] = kept_.data() + b * each_kept_ + e.kept;
                gradients[b] = inputs[b] + round(e.job.transposed_size(V::size));
            }
            fold_rows(i, inputs, gradients, pool, gradient);
        }
    }

private:
    struct entry {
        gradient_job job;
        bool deferred = false;
        std::size_t sums = 0, bias_sums = 0, kept = 0, output_size = 0;
    };

    static std::size_t round(std::size_t n) { return (n + 15) / 16 * 16; }
    [[nodiscard]] bool deferred(const entry& e) const { return e.deferred || keeps_operands_; }

    void place_custom_sums(std::size_t blocks) {
        custom_places_.assign(blocks * parameters_.size(), nullptr);
        for (std::size_t b = 0; b < blocks; ++b)
            for (std::size_t i = 0; i < entries_.size(); ++i) {
                const auto& op = machine_.list().steps[i].op;
                if (op.kind != operation_kind::custom) continue;
                T* next = sums_.data() + b * each_sums_ + entries_[i].sums;
                for (std::size_t k = op.first_parameter; k < op.first_parameter + op.parameters; ++k) {
                    custom_places_[b * parameters_.size() + k] = next;
                    next += round(parameters_[k].size);
                }
            }
    }

    void collect_convolution(std::size_t i, const block_memory<T>& m, std::size_t b, std::size_t worker, T* sums) {
        const auto& op = machine_.list().steps[i].op;
        const auto& e = entries_[i];
        const T* const input = machine_.value_storage(op.input, m);
        const T* const dy = machine_.gradient_storage(op.output, m);
        if (op.bias != none) {
            const block<const T> g = machine_.gradient(op.output, m);
            for (std::size_t c = 0; c < g.shape.channels; ++c) {
                V sum(T(0));
                for_each_register<V>(
                    {1, g.shape.height, g.shape.width}, [&](std::size_t, const T* at) { sum += V::load_aligned(at); },
                    channels_of(g, c, 1));
                sums_[b * each_sums_ + e.bias_sums + c] = sum_lanes(sum);
            }
        }
        if (keeps_operands_) {
            if (e.job.transposed) transpose_input<V>(e.job, input, transposed_[b].data());
            return;
        }
        if (e.deferred) {
            T* const kept = kept_.data() + b * each_kept_ + e.kept;
            transpose_input<V>(e.job, input, kept);
            std::copy_n(dy, e.output_size, kept + round(e.job.transposed_size(V::size)));
            return;
        }
        const T* x = input;
        if (e.job.transposed) {
            transpose_input<V>(e.job, input, transposed_[worker].data());
            x = transposed_[worker].data();
        }
        for (std::size_t group = 0; group * gradient_group<V> < e.job.rows; ++group)
            run_gradient<V, T>(e.job, {&x, 1}, {&dy, 1}, group, sums);
    }
    void fold_rows(std::size_t i, std::span<const T* const> inputs, std::span<const T* const> gradients, worker_pool& pool,
                   std::span<T> gradient) {
        const auto& job = entries_[i].job;
        if (totals_.size() < job.sums(V::size)) totals_ = lane_vector<T>(job.sums(V::size));
        T* const weights = gradient.data() + parameters_[machine_.list().steps[i].op.weight].offset;
        pool.for_each((job.rows + gradient_group<V> - 1) / gradient_group<V>, [&](std::size_t group, std::size_t) {
            run_gradient<V, T>(job, inputs, gradients, group, totals_.data());
            add_gradient(job, V::size, totals_.data(), group * gradient_group<V>,
                         std::min(job.rows, (group + 1) * gradient_group<V>), weights);
        });
    }
    [[nodiscard]] lane_vector<T> total_of(std::size_t at, std::size_t size, std::size_t blocks) const {
        lane_vector<T> sum(sums_.begin() + static_cast<std::ptrdiff_t>(at),
                           sums_.begin() + static_cast<std::ptrdiff_t>(at + size));
        for (std::size_t b = 1; b < blocks; ++b)
            for (std::size_t k = 0; k < size; ++k) sum[k] += sums_[b * each_sums_ + at + k];
        return sum;
    }
    void fold_sums(std::size_t i, std::size_t blocks, std::span<T> gradient) {
        const auto& op = machine_.list().steps[i].op;
        const auto& e = entries_[i];
        const auto add = [&](std::size_t at, std::size_t parameter) {
            const auto& info = parameters_[parameter];
            const auto sum = total_of(at, info.size, blocks);
            for (std::size_t k = 0; k < info.size; ++k) gradient[info.offset + k] += sum[k];
        };
        if (op.kind == operation_kind::convolution) {
            if (!deferred(e))
                add_gradient(e.job, V::size, total_of(e.sums, e.job.sums(V::size), blocks).data(), 0, e.job.rows,
                             gradient.data() + parameters_[op.weight].offset);
            if (op.bias != none) add(e.bias_sums, op.bias);
        } else if (op.kind == operation_kind::group_norm) {
            add(e.sums, op.weight);
            add(e.sums + parameters_[op.weight].size, op.bias);
        } else if (op.kind == operation_kind::custom) {
            std::size_t at = e.sums;
            for (std::size_t k = 0; k < op.parameters; ++k) {
                add(at, op.first_parameter + k);
                at += round(parameters_[op.first_parameter + k].size);
            }
        }
    }

    const machine<V>& machine_;
    std::vector<parameter_info> parameters_;
    std::vector<entry> entries_;
    bool keeps_operands_ = false;
    std::size_t each_sums_ = 0, each_kept_ = 0, widest_transposed_ = 0;
    lane_vector<T> sums_, kept_, totals_;
    std::vector<lane_vector<T>> transposed_;
    std::vector<T*> custom_places_;  ///< [block][parameter]: where the sums of custom layers stand
};

}  // namespace saddle::cpu_backend::inline SADDLE_CPU_ARCHITECTURE
