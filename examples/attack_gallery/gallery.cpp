#include "gallery.hpp"
#include "saddle/io/png.hpp"

#include <iomanip>
#include <iostream>

using namespace saddle;

namespace {

constexpr std::size_t shown = 8;  ///< images of the page

void print(const exhibit& e) {
    std::cout << std::left << std::setw(28) << e.name << std::right << std::fixed << std::setprecision(1) << std::setw(8)
              << 100 * e.success << '%' << std::setw(8) << e.mean.l0 << std::setw(9) << std::setprecision(2) << e.mean.l1
              << std::setw(8) << e.mean.l2 << std::setw(8) << std::setprecision(3) << e.mean.linf << std::setw(11) << e.gradients
              << std::setw(11) << e.forwards << std::setw(9) << std::setprecision(2) << e.seconds
              << (e.rejected > 0 ? text("  rejected ", e.rejected) : "") << std::endl;
}

}  // namespace

void gallery::add(const std::string& name, const attack_result<float>& found, double seconds) {
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

void gallery::print_head() {
    std::cout << std::left << std::setw(28) << "attack" << std::right << std::setw(9) << "success" << std::setw(8) << "L0"
              << std::setw(9) << "L1" << std::setw(8) << "L2" << std::setw(8) << "Linf" << std::setw(11) << "gradients"
              << std::setw(11) << "queries" << std::setw(9) << "seconds" << '\n';
}

void gallery::write_page(const std::string& path) const {
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
                            page.pixels.begin() + static_cast<std::ptrdiff_t>((row * (each.height + gap) + r) * page.size.width +
                                                                              i * (each.width + gap)));
        }
    };
    put(data_.x, 0);
    for (std::size_t k = 0; k < exhibits_.size(); ++k) put(exhibits_[k].pictures, k + 1);
    write_png(path, page);
}
