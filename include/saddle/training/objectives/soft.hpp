#pragma once
#include "saddle/attacks/pgd.hpp"
#include "saddle/certification/certify.hpp"
#include "saddle/losses/cross_entropy.hpp"
#include "saddle/training/interruption.hpp"
#include "saddle/training/loss_gradient.hpp"
#include "saddle/training/objective.hpp"
#include "saddle/training/objectives/inner_attack.hpp"
#include "saddle/training/recipe.hpp"
#include "saddle/training/records.hpp"

namespace saddle::objectives {

/// Which examples soft adversarial training leaves alone.
struct soft_settings {
    double certification_epsilon =
        .1;                           ///< Linf radius that an example must be proven for, cut with [0,1]; the attack has its own
    std::size_t recertify_every = 0;  ///< epochs from one certification of the training set to the next; 0: never (the paper)
    std::vector<certificate> partition{};  ///< made before, one per training image: takes the place of the first certification
    /// Of PGD at certification_epsilon before a certification: what it breaks needs no proof, so that the partition is the same and
    /// costs less; 0: none.
    std::size_t falsification_steps = 5;
};

/// Soft adversarial training (Sharma & Narayan 2022, §4): the mean loss at x for verified examples, at attack(x) for those that are
/// misclassified or not verified.
///
/// `soft(deep_poly{}, pgd{...}, {.certification_epsilon = .1})`. The training set is certified before the first step, with the
/// weights that fit starts from: train those naturally first (the paper does not say which weights it certified), and again every
/// recertify_every epochs. Images are certified as they are in the data set, without augmentation; margins of exactly 0 count as
/// verified, as in the paper's o_k >= o_j. Only examples that need it are attacked. A batch goes through the network once, so batch
/// norm sees its clean and attacked images together. Accuracy is that on the images learnt from. Measures of an epoch: the shares
/// `verified`, `unverified`, `misclassified` of the partition and `attacked` of the examples that were stepped on. The partition is
/// part of checkpoints. Certification uses the trainer's threads and ends with `interrupted` after Ctrl-C; it then starts anew.
/// begin_epoch throws what certify throws.
template <class Domain, class Attack, class Loss = cross_entropy>
struct soft {
    Domain domain;
    Attack attack;
    soft_settings settings;
    Loss loss;

    template <class T>
    struct state {
        std::vector<std::uint8_t> partition;      ///< a certificate per training image; empty until the first certification
        std::uint64_t certified = 0;              ///< epoch of the last certification
        std::uint64_t stepped = 0, attacked = 0;  ///< examples of this epoch

        template <class Archive>
        void fields(Archive&& archive) {
            archive("partition", partition);
            archive("certified", certified);
            archive("stepped", stepped);
            archive("attacked", attacked);
        }
        [[nodiscard]] bool verified(std::uint64_t example) const {
            return partition[example] == static_cast<std::uint8_t>(certificate::verified);
        }
    };

    explicit soft(Domain d, Attack a, soft_settings s = {}, Loss l = {})
        : domain(std::move(d)), attack(std::move(a)), settings(std::move(s)), loss(std::move(l)) {}

    /// Throws shape_error when a given partition does not fit the data.
    template <class T>
    state<T> start(const dataset& train) const {
        state<T> s;
        if (settings.partition.empty()) return s;
        require<shape_error>(settings.partition.size() == train.size(), "soft",
                             text("size of the partition for data set '", train.name, "'"), train.size(),
                             settings.partition.size());
        for (const auto c : settings.partition) s.partition.push_back(static_cast<std::uint8_t>(c));
        return s;
    }

    template <class Model>
    void begin_epoch(const epoch_context<Model>& at, state<typename Model::value_type>& s) const {
        const std::size_t every = settings.recertify_every, epoch = at.position.epoch;
        s.stepped = s.attacked = 0;
        if (!s.partition.empty() && (every == 0 || epoch < s.certified + every)) return;
        certify_settings how;
        how.progress = [&](std::size_t done, std::size_t total) { at.report("certification", done, total); };
        how.stop = &interruption::flag();
        using T = typename Model::value_type;
        const linf_box box{settings.certification_epsilon};
        const auto status = [&](const basic_images<T>& x) {
            std::vector<std::uint8_t> falsified;
            if (settings.falsification_steps > 0 && box.epsilon > 0) {
                const double steps = static_cast<double>(settings.falsification_steps);
                const auto search = pgd({.epsilon = box.epsilon,
                                         .step_size = 2.5 * box.epsilon / steps,
                                         .steps = settings.falsification_steps,
                                         .early_stop = true});
                run_settings quiet;
                quiet.examples_only = true;
                const auto program = prepare(at.model);
                falsified = falsify(at.model, x, at.data.y, box,
                                    perturb(search, program, x, at.data.y, at.pool, quiet).adversarial, at.pool);
                how.falsified = falsified;
            }
            return certify<Domain>(at.model, x, at.data.y, box, at.pool, domain, how).status;
        };
        std::vector<certificate> found;
        if constexpr (std::is_same_v<T, float>) {
            found = status(at.data.x);
        } else {
            basic_images<T> x(at.data.size(), at.data.x.each());
            std::copy(at.data.x.values().begin(), at.data.x.values().end(), x.values().begin());
            found = status(x);
        }
        s.partition.assign(found.size(), 0);
        std::transform(found.begin(), found.end(), s.partition.begin(),
                       [](certificate c) { return static_cast<std::uint8_t>(c); });
        s.certified = epoch;
    }

    template <class Model>
    objective_result differentiate(const training_context<Model>& context, state<typename Model::value_type>& s) const {
        using T = typename Model::value_type;
        const auto& batch = context.batch();
        std::vector<std::size_t> chosen;
        for (std::size_t i = 0; i < batch.size(); ++i)
            if (!s.verified(batch.ids[i])) chosen.push_back(i);
        s.stepped += batch.size();
        s.attacked += chosen.size();
        if (chosen.empty()) return add_loss_gradient(context, batch.x, loss);
        training_batch<T> part{basic_images<T>(chosen.size(), batch.x.each()), labels(chosen.size()),
                               std::vector<std::uint64_t>(chosen.size())};
        for (std::size_t k = 0; k < chosen.size(); ++k) {
            std::copy(batch.x[chosen[k]].begin(), batch.x[chosen[k]].end(), part.x[k].begin());
            part.y[k] = batch.y[chosen[k]];
            part.ids[k] = batch.ids[chosen[k]];
        }
        const auto attacked = attack_images(context, attack, part);
        auto x = batch.x;
        for (std::size_t k = 0; k < chosen.size(); ++k) std::copy(attacked[k].begin(), attacked[k].end(), x[chosen[k]].begin());
        return add_loss_gradient(context, x, loss);
    }

    template <class T>
    [[nodiscard]] std::vector<measure> measures(const state<T>& s) const {
        const auto share = [&](certificate c) {
            return static_cast<double>(std::count(s.partition.begin(), s.partition.end(), static_cast<std::uint8_t>(c))) /
                   static_cast<double>(s.partition.size());
        };
        using enum certificate;
        return {{"verified", share(verified)},
                {"unverified", share(unverified)},
                {"misclassified", share(misclassified)},
                {"attacked", static_cast<double>(s.attacked) / static_cast<double>(s.stepped)}};
    }
    void validate(std::string_view where) const {
        attack.validate(where);
        loss.validate(where);
        linf_box{settings.certification_epsilon}.validate(0, text(where, ": soft, certification"));
    }
    template <class V>
    void describe(V&& visit) const {
        visit("name", "soft");
        visit("domain.name", Domain::name);
        visit.part("domain", domain);
        visit("certification_epsilon", settings.certification_epsilon);
        visit("recertify_every", settings.recertify_every);
        visit("partition", fingerprint(std::as_bytes(std::span(settings.partition))));
        visit.part("attack", attack);
        visit.part("loss", loss);
    }
};

}  // namespace saddle::objectives
