#pragma once
#include "saddle/core/images.hpp"

#include <memory>

namespace saddle {

/// Throws shape_error unless the images that an attack is given to start from have the extents of those it attacks.
inline void require_fitting_starts(const std::shared_ptr<const images>& starts, extents image) {
    require<shape_error>(!starts || starts->empty() || starts->each() == image, "perturb: starts", "extents of the images", image,
                         starts ? starts->each() : image);
}

}  // namespace saddle
