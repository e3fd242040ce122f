#pragma once
#include "saddle/backend/cuda/kernels/balls.cuh"
#include "saddle/backend/cuda/kernels/boxes.cuh"
#include "saddle/backend/cuda/session.cuh"
#include "saddle/projections/box_only.hpp"

namespace saddle::cuda {

/// Where the images of an attack stand on the device, each [elements][lanes].
struct attack_images {
    float *x = nullptr, *adversarial = nullptr, *lo = nullptr, *hi = nullptr, *velocity = nullptr;
};

/// How many images beside x and the result a threat keeps.
template <class Projection>
inline constexpr std::size_t interval_images = 0;
template <>
inline constexpr std::size_t interval_images<linf> = 2;

/// True for threats that the device steps along as a whole.
template <class Projection>
inline constexpr bool device_threat = std::is_same_v<Projection, linf> || std::is_same_v<Projection, box_only> ||
                                      std::is_same_v<Projection, l2> || std::is_same_v<Projection, l1>;
/// True for threats that are an interval per element.
template <class Projection>
inline constexpr bool interval_threat = std::is_same_v<Projection, linf> || std::is_same_v<Projection, box_only>;

/// Launches what a threat does to a batch: `m` has the iterate z as its input and the gradient beside it.
template <class Projection>
class threat_launcher {
public:
    threat_launcher(const Projection& projection, const batch_memory& m, const attack_images& images, const lane_state& state,
                    extents shape)
        : projection_(projection), m_(m), images_(images), state_(state), shape_(shape) {}

    /// Computes what depends on x and epsilon alone.
    void centre() const {
        if constexpr (std::is_same_v<Projection, linf>)
            launch_pointwise(m_.stream, "linf interval", shape_, m_.lanes,
                             find_interval{images_.x, state_.epsilon, images_.lo, images_.hi, static_cast<int>(m_.lanes)});
    }
    [[nodiscard]] signed_steps steps() const {
        return {m_.input, images_.lo, images_.hi, state_.step_size, state_, static_cast<int>(m_.lanes)};
    }
    /// One step along m.input_gradient, which is overwritten.
    void step() const {
        if constexpr (interval_threat<Projection>) {
            launch_pointwise(m_.stream, "signed step", shape_, m_.lanes, step_from_gradient{steps(), m_.input_gradient});
        } else {
            std::size_t largest = 0;
            if constexpr (std::is_same_v<Projection, l1>) largest = std::min(projection_.largest, shape_.size());
            launch(m_.stream, ball_step<std::is_same_v<Projection, l1>>, grid("step and projection"), state_,
                   static_cast<const float*>(images_.x), m_.input_gradient, m_.input, shape_.size(), largest,
                   static_cast<int>(m_.lanes));
        }
    }
    /// Starts of one restart into the iterate; drawn where the gradient stands.
    void start(start_rule rule, double scale, bool project, const random_stream& draws) const {
        float* const drawn = m_.input_gradient;
        if (rule == start_rule::uniform && !interval_threat<Projection>) {
            launch(m_.stream, ball_start<std::is_same_v<Projection, l1>>, grid("uniform start"), state_, draws,
                   static_cast<const float*>(images_.x), drawn, shape_.size(), static_cast<int>(m_.lanes));
        } else {
            const draw_kind kind = rule == start_rule::random_sign        ? draw_kind::sign
                                   : rule == start_rule::gaussian         ? draw_kind::gaussian
                                   : std::is_same_v<Projection, box_only> ? draw_kind::uniform_range
                                                                          : draw_kind::uniform_ball;
            launch(m_.stream, draw_starts<>,
                   {.operation = "random start", .blocks = parts_of(parts_of(shape_.size(), 4) * m_.lanes, pointwise_threads)},
                   draws, kind, state_, static_cast<const float*>(images_.x), scale, static_cast<std::uint32_t>(shape_.size()),
                   static_cast<std::uint32_t>(m_.lanes), drawn);
        }
        if (!project)
            copy_values(m_.stream, m_.input, drawn, shape_.size() * m_.lanes, cudaMemcpyDeviceToDevice);
        else if constexpr (interval_threat<Projection>)
            launch_pointwise(m_.stream, "projection", shape_, m_.lanes,
                             clip_to_interval{drawn, images_.x, images_.lo, images_.hi, m_.input});
        else
            launch(m_.stream, ball_project<std::is_same_v<Projection, l1>>, grid("projection"), state_,
                   static_cast<const float*>(images_.x), drawn, m_.input, shape_.size(), static_cast<int>(m_.lanes));
    }
    /// velocity <- decay · velocity + gradient / ‖gradient‖1, also as the gradient.
    void accumulate(double decay) const {
        launch(m_.stream, accumulate_velocity<>, grid("momentum"), state_, m_.input_gradient, images_.velocity, shape_.size(),
               static_cast<float>(decay), static_cast<int>(m_.lanes));
    }

private:
    [[nodiscard]] launch_config grid(std::string_view operation) const { return lane_group::over(m_.lanes, operation); }

    Projection projection_;
    batch_memory m_;
    attack_images images_;
    lane_state state_;
    extents shape_;
};

}  // namespace saddle::cuda
