// Every attack on one model: a table of what each achieves and spends, and a page of what its images look like.
// attack_gallery [DIR|generated] [IMAGES] [OUTPUT]
#include "saddle/saddle.hpp"

#include <iomanip>
#include <iostream>

using namespace saddle;

namespace {

constexpr std::size_t shown = 8;  ///< images of the page

/// One line of the table and one row of the page.
struct exhibit {
    std::string name;
    double success = 0, seconds = 0;
    perturbation_size mean;  ///< over the successes
    std::uint64_t gradients = 0, forwards = 0;
    std::size_t rejected = 0;
    images pictures;
};

template <class P>
class gallery {
public:
    gallery(const P& program, const dataset& data, worker_pool& pool) : program_(program), data_(data), pool_(pool) {}

    template <class A>
    void show(const std::string& name, const A& attack) {
        const auto start = std::chrono::steady_clock::now();
        const auto found = perturb(attack, program_, data_.x, data_.y, pool_);
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        exhibit e{name,
                  found.success_rate(),
                  seconds,
                  {},
                  found.gradient_calls,
                  found.forward_calls,
                  found.rejected,
                  found.adversarial.slice(0, std::min(shown, data_.size()))};
        double count = 0;
        for (std::size_t i = 0; i < data_.size(); ++i) {
            if (!found.success[i]) continue;
            const auto& d = found.distances[i];
            e.mean.linf += d.linf, e.mean.l2 += d.l2, e.mean.l1 += d.l1, e.mean.l0 += d.l0;
            ++count;
        }
        count = std::max(count, 1.);
        e.mean.linf /= count, e.mean.l2 /= count, e.mean.l1 /= count, e.mean.l0 /= count;
        print(e);
        exhibits_.push_back(std::move(e));
    }
    static void print_head() {
        std::cout << std::left << std::setw(28) << "attack" << std::right << std::setw(9) << "success" << std::setw(8) << "L0"
                  << std::setw(9) << "L1" << std::setw(8) << "L2" << std::setw(8) << "Linf" << std::setw(11) << "gradients"
                  << std::setw(11) << "queries" << std::setw(9) << "seconds" << '\n';
    }
    /// The clean images above, one row of adversarial ones for each attack below, as one PNG file.
    void write_page(const std::string& path) const {
        const extents each = data_.x.each();
        constexpr std::size_t gap = 2;
        const std::size_t rows = exhibits_.size() + 1, columns = std::min(shown, data_.size());
        picture page{{1, rows * (each.height + gap), columns * (each.width + gap)}, {}};
        page.pixels.assign(page.size.size(), 255);
        const auto put = [&](const images& x, std::size_t row) {
            for (std::size_t i = 0; i < columns; ++i) {
                const auto one = to_picture(std::span<const float>(x[i]), each);
                for (std::size_t r = 0; r < each.height; ++r)
                    std::copy_n(one.pixels.begin() + static_cast<std::ptrdiff_t>(r * each.width), each.width,
                                page.pixels.begin() +
                                    static_cast<std::ptrdiff_t>((row * (each.height + gap) + r) * page.size.width +
                                                                i * (each.width + gap)));
            }
        };
        put(data_.x, 0);
        for (std::size_t k = 0; k < exhibits_.size(); ++k) put(exhibits_[k].pictures, k + 1);
        write_png(path, page);
    }

private:
    static void print(const exhibit& e) {
        std::cout << std::left << std::setw(28) << e.name << std::right << std::fixed << std::setprecision(1) << std::setw(8)
                  << 100 * e.success << '%' << std::setw(8) << e.mean.l0 << std::setw(9) << std::setprecision(2) << e.mean.l1
                  << std::setw(8) << e.mean.l2 << std::setw(8) << std::setprecision(3) << e.mean.linf << std::setw(11)
                  << e.gradients << std::setw(11) << e.forwards << std::setw(9) << std::setprecision(2) << e.seconds
                  << (e.rejected > 0 ? text("  rejected ", e.rejected) : "") << std::endl;
    }

    const P& program_;
    const dataset& data_;
    worker_pool& pool_;
    std::vector<exhibit> exhibits_;
};

template <class P>
void show_all(gallery<P>& g) {
    constexpr double epsilon = .1;
    // inside a ball
    g.show("noise, 100 draws", noise<linf>{.projection = {epsilon}, .samples = 100});
    g.show("FGSM", fgsm({.epsilon = epsilon}));
    g.show("R-FGSM", r_fgsm({.epsilon = epsilon}));
    g.show("BIM-10", bim({.epsilon = epsilon}));
    g.show("MI-FGSM-10", mifgsm({.epsilon = epsilon}));
    g.show("PGD-20", pgd({.epsilon = epsilon, .step_size = .01, .steps = 20}));
    g.show("PGD-20 on 256 levels", on_grid(pgd({.epsilon = epsilon, .step_size = .01, .steps = 20})));
    g.show("C&W+, 20 steps", carlini_wagner_plus({.epsilon = epsilon, .step_size = .01, .steps = 20}));
    g.show("APGD", apgd({.epsilon = epsilon}));
    g.show("FAB", fab({.epsilon = epsilon}));
    g.show("Square, 500 queries", square({.epsilon = epsilon, .queries = 500}));
    g.show("AutoAttack", auto_attack({.epsilon = epsilon}));
    g.show("PGD-20, L2 1", pgd<l2>({.epsilon = 1, .step_size = .1, .steps = 20}));
    g.show("PGD-20, L1 10", pgd<l1>({.epsilon = 10, .step_size = 1, .steps = 20}));
    g.show("PGD-20, L0 20", pgd<l0>({.epsilon = 20, .step_size = 100, .steps = 20}));
    g.show("AN-PGD", an_pgd<>{.projection = {.epsilon = .3}, .initial = epsilon});
    // the nearest image
    g.show("C&W L2", carlini_wagner_l2{.binary_steps = 6, .steps = 200, .initial_c = .1});
    g.show("C&W Linf", carlini_wagner_linf{.steps = 100, .initial_c = .01});
    g.show("C&W L0", carlini_wagner_l0{.steps = 50, .initial_c = .1, .largest_c = 100});
    g.show("DeepFool L2", deepfool<l2>{});
    g.show("DeepFool Linf", deepfool<linf>{});
    auto map = jsma_z;
    g.show("JSMA-Z", map);
    g.show("JSMA-F", jsma_f);
    // queries alone
    const auto steps = pgd({.epsilon = epsilon, .step_size = .02, .steps = 20, .start = start_rule::none, .early_stop = true});
    g.show("NES", with_source(steps, nes{.samples = 20, .radius = .01}));
    g.show("SPSA", with_source(steps, spsa{}));
    g.show("boundary, 1000 steps", boundary{.steps = 1000});
    g.show("HopSkipJump, 5 steps", hop_skip_jump<l2>{.steps = 5});
    // no ball
    g.show("rotation-translation", rotation_translation{.angles = 7, .shifts = 3});
    g.show("flow", flow{.steps = 60});
    // made of others
    g.show("restarts of FGSM", restarts(r_fgsm({.epsilon = epsilon}), 5));
    g.show("strongest of two", strongest_of(fgsm({.epsilon = epsilon}), inside_ball(deepfool<linf>{}, linf{epsilon})));
}

}  // namespace

int main(int count, char** arguments) try {
    const auto data = load(count > 1 ? arguments[1] : "generated");
    const std::size_t wanted = count > 2 ? std::stoul(arguments[2]) : 32;
    const std::string output = count > 3 ? arguments[3] : "attack_gallery.png";
    require(wanted > 0, "attack_gallery", "images", "at least 1", wanted);
    worker_pool pool;

    model<networks::conv_small<>, shape<1, 28, 28>, backend::cpu> network(1);
    dataset train = data.train;
    train.x = train.x.slice(0, std::min<std::size_t>(train.size(), 6000));
    train.y.resize(train.x.size());
    trainer fit(network, objectives::natural{}, adam{}, schedules::constant{}, {.epochs = 2, .batch_size = 64, .seed = 1});
    (void)fit.fit(train);
    const auto program = prepare(network);

    dataset attacked = data.test;
    attacked.x = attacked.x.slice(0, std::min(wanted, attacked.size()));
    attacked.y.resize(attacked.x.size());
    std::cout << "conv_small, test accuracy " << 100 * predict(program, data.test.x, pool).accuracy(data.test.y) << " %, "
              << attacked.size() << " images\n\n";
    gallery g(program, attacked, pool);
    g.print_head();
    show_all(g);
    const auto shared =
        universal_perturbation(program, data.train.x.slice(0, 500), labels(data.train.y.begin(), data.train.y.begin() + 500),
                               pool, universal_settings<linf>{.projection = {.1}, .step_size = .02, .passes = 5});
    const double kept = predict(program, shared.applied_to(attacked.x), pool).accuracy(attacked.y);
    std::cout << "one universal perturbation of Linf 0.1: " << 100 * (1 - kept) << "% fooled\n";
    g.write_page(output);
    std::cout << "\npage: " << output << " (first row: clean images)\n";
} catch (const std::exception& problem) {
    std::cerr << problem.what() << '\n';
    return 1;
}
