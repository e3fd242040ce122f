#include "saddle/backend/reference/convolution.hpp"
#include "saddle/testing/random_images.hpp"
#include "support/catch.hpp"

#include <numeric>

using namespace saddle;

TEST_CASE("the columns of an image are its windows, zero in the padding", "[backend]") {
    const std::vector<double> image{1, 2, 3, 4};
    std::vector<double> columns(4 * 9);
    reference_backend::windows_to_columns<double>(image, {1, 2, 2}, {1, 3, 3},
                                                  {.height = 2, .width = 2, .stride = 1, .padding = 1}, columns);
    CHECK(columns == std::vector<double>{0, 0, 0, 0, 1, 2, 0, 3, 4,  //
                                         0, 0, 0, 1, 2, 0, 3, 4, 0,  //
                                         0, 1, 2, 0, 3, 4, 0, 0, 0,  //
                                         1, 2, 0, 3, 4, 0, 0, 0, 0});
}

TEST_CASE("adding columns to windows is the transpose of taking them", "[backend]") {
    const extents in{2, 5, 4}, out{1, 3, 2};
    const window w{.height = 3, .width = 2, .stride = 2, .padding = 1};
    const auto image = testing::random_images(1, in), weights = testing::random_images(1, {12, 3, 2}, 1);
    std::vector<double> columns(72);
    reference_backend::windows_to_columns<double>(image[0], in, out, w, columns);
    basic_images<double> back(1, in);
    reference_backend::add_columns_to_windows<double>(weights[0], in, out, w, back[0]);
    const double there = std::inner_product(columns.begin(), columns.end(), weights.data(), 0.);
    const double here = std::inner_product(back.values().begin(), back.values().end(), image.data(), 0.);
    CHECK(there == Approx(here));
}
