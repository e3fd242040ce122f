#include "saddle/core/version.hpp"

#include <xtensor-blas/xlinalg.hpp>
#include <xtensor/xarray.hpp>

// Calls into the BLAS that saddle::reference links.
int main() {
    const xt::xarray<double> a{{1, 2}, {3, 4}}, b{{5, 6}, {7, 8}};
    const xt::xarray<double> product = xt::linalg::dot(a, b);
    return product(0, 0) == 19 && product(1, 1) == 50 ? 0 : 1;
}
