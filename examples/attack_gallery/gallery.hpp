#pragma once
#include "saddle/attacks/perturb.hpp"
#include "saddle/backend/cpu/cpu.hpp"
#include "saddle/data/dataset.hpp"

#include <chrono>

/// One line of the table and one row of the page.
struct exhibit {
    std::string name;
    double success = 0, seconds = 0;
    saddle::perturbation_size mean;  ///< over the successes
    std::uint64_t gradients = 0, forwards = 0;
    std::size_t rejected = 0;
    saddle::images pictures;
};

/// Runs attacks on one program and its data, prints a line for each, and keeps what the page shows.
class gallery {
public:
    using program_type = saddle::backend::cpu::program<float>;

    gallery(const program_type& program, const saddle::dataset& data, saddle::worker_pool& pool)
        : program_(program), data_(data), pool_(pool) {}

    template <class A>
    void show(const std::string& name, const A& attack) {
        const auto start = std::chrono::steady_clock::now();
        const auto found = saddle::perturb(attack, program_, data_.x, data_.y, pool_);
        add(name, found, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    void add(const std::string& name, const saddle::attack_result<float>& found, double seconds);
    static void print_head();
    /// The clean images above, one row of adversarial ones for each attack below, as one PNG file.
    void write_page(const std::string& path) const;

private:
    const program_type& program_;
    const saddle::dataset& data_;
    saddle::worker_pool& pool_;
    std::vector<exhibit> exhibits_;
};

/// The radius of the Linf ball that all attacks in one share.
inline constexpr double epsilon = .1;

void show_gradient_attacks(gallery& g);   // gradient.cpp
void show_auto_attack(gallery& g);        // auto_attack.cpp
void show_nearest_attacks(gallery& g);    // nearest.cpp
void show_black_box_attacks(gallery& g);  // black_box.cpp
