#include "saddle/attacks/box_descent.hpp"

#include "attacks/toy.hpp"
#include "support/catch.hpp"

using namespace saddle;

namespace {

constexpr std::size_t pixels = 5;
constexpr std::array<double, pixels> clean{0, .2, .5, .9, 1};
constexpr std::array<double, pixels> pull{.3, -2, .01, 3, -.4};  // gradient of the objective

/// The image after some updates in lane `lane` of a block, by the class; the other lanes hold something else.
template <class V>
std::array<double, pixels> descended(box_treatment box, std::size_t updates, std::size_t lane, double weight = 2) {
    using T = lane_scalar<V>;
    constexpr std::size_t lanes = lane_values<V>::size;
    box_descent<V> descent(box, .05, pixels);
    lane_vector<T> x(pixels * lanes, T(.25)), gradient(pixels * lanes, T(1)), moves(lanes, T(1)), weights(lanes, T(weight));
    for (std::size_t e = 0; e < pixels; ++e) x[e * lanes + lane] = static_cast<T>(clean[e]);
    for (std::size_t l = 0; l < lanes; ++l) descent.begin(l, x.data(), x.data());
    for (std::size_t u = 0; u < updates; ++u) {
        for (std::size_t e = 0; e < pixels; ++e) gradient[e * lanes + lane] = static_cast<T>(pull[e]);
        descent.step(x.data(), gradient.data(), lane_values<V>::load(weights.data()), squared_distance<V>{}, moves.data());
    }
    std::array<double, pixels> z;
    for (std::size_t e = 0; e < pixels; ++e) z[e] = static_cast<double>(descent.image()[e * lanes + lane]);
    return z;
}

/// The same by the formulas, one pixel after the other.
double by_formula(box_treatment box, std::size_t updates, double x, double g) {
    const bool tanh_form = box == box_treatment::change_of_variable;
    double w = tanh_form ? std::atanh((2 * x - 1) * .999999) : box == box_treatment::clipped ? 0 : x, m = 0, v = 0;
    const auto image = [&] {
        return tanh_form ? (std::tanh(w) + 1) / 2 : std::clamp(box == box_treatment::clipped ? x + w : w, 0., 1.);
    };
    for (std::size_t t = 1; t <= updates; ++t) {
        double slope = 2 * (image() - x) - 2 * g;
        if (tanh_form) slope *= (1 - std::tanh(w) * std::tanh(w)) / 2;
        if (box == box_treatment::clipped) slope = 2 * w - (x + w >= 0 && x + w <= 1 ? 2 * g : 0);
        m = .9 * m + .1 * slope;
        v = .999 * v + .001 * slope * slope;
        w -= .05 * std::sqrt(1 - std::pow(.999, t)) / (1 - std::pow(.9, t)) * m / (std::sqrt(v) + 1e-8);
        if (box == box_treatment::projected) w = std::clamp(w, 0., 1.);
    }
    return image();
}

constexpr box_treatment all_boxes[] = {box_treatment::change_of_variable, box_treatment::clipped, box_treatment::projected};

}  // namespace

TEST_CASE("Adam in the three box treatments follows its formulas", "[attacks][carlini wagner]") {
    for (const auto box : all_boxes)
        for (const std::size_t updates : {1u, 2u, 30u}) {
            const auto wide_found = descended<lanes<float>>(box, updates, 3), narrow = descended<double>(box, updates, 0);
            for (std::size_t e = 0; e < pixels; ++e) {
                INFO("box " << static_cast<int>(box) << " updates " << updates << " pixel " << e);
                CHECK(narrow[e] == Approx(by_formula(box, updates, clean[e], pull[e])).margin(1e-9));
                CHECK(wide_found[e] == Approx(by_formula(box, updates, clean[e], pull[e])).margin(2e-4));
                CHECK(wide_found[e] >= 0);
                CHECK(wide_found[e] <= 1);
            }
        }
}

TEST_CASE("a lane's image has the same bits in any lane", "[attacks][carlini wagner][determinism]") {
    for (const auto box : all_boxes)
        CHECK(descended<lanes<float>>(box, 20, 0) == descended<lanes<float>>(box, 20, lane_count<float> - 1));
}

TEST_CASE("pixels at exactly 0 and 1 move in every box treatment (torchattacks C&W)", "[attacks][pitfalls]") {
    for (const auto box : all_boxes) {
        const auto z = descended<lanes<float>>(box, 300, 1, 100);
        CHECK(z[0] > .9);  // its pull is upwards
        CHECK(z[4] < .1);
    }
}

TEST_CASE("slopes that are not finite are dropped and reported", "[attacks]") {
    using V = lanes<float>;
    lane_vector<float> gradient(3 * V::size, 1.f), marks(V::size);
    gradient[V::size + 2] = std::numeric_limits<float>::quiet_NaN();
    lane_values<V>::store(marks.data(), choose(drop_flawed_slopes<V>(gradient.data(), 3), V(1), V(0)));
    for (std::size_t l = 0; l < V::size; ++l) CHECK(marks[l] == (l == 2 ? 1.f : 0.f));
    CHECK(gradient[V::size + 2] == 0.f);
    CHECK(gradient[2] == 1.f);
}
