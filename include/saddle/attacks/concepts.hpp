#pragma once
#include "saddle/core/images.hpp"

#include <concepts>
#include <span>
#include <utility>

namespace saddle {

template <class M>
using scalar_of = typename std::remove_cvref_t<M>::value_type;

/// What a backend runs on one block of lanes: x [C,H,W][lane] to logits [K][lane], evaluation mode.
template <class S>
concept Session = requires(S& s, const typename S::value_type* x, typename S::value_type* logits) {
    typename S::vector;
    s.forward(x, logits);
};

/// A session that also maps a derivative in the logits of its last forward to the derivative in the input.
template <class S>
concept DifferentiableSession = Session<S> &&
    requires(S& s, const typename S::value_type* slopes, typename S::value_type* gradient) {
    s.backward(slopes, gradient);
};

/// The backward pass after which the session is asked for no other of the same forward pass: sessions that can then save memory
/// traffic have a `last_backward` of their own.
template <DifferentiableSession S>
void last_backward(S& session, const typename S::value_type* slopes, typename S::value_type* gradient) {
    if constexpr (requires { session.last_backward(slopes, gradient); })
        session.last_backward(slopes, gradient);
    else
        session.backward(slopes, gradient);
}

/// A session of a model with randomness of its own: `redraw` says, per lane, for which example and which draw (a number that never comes
/// twice for one example) the next forward and backward pass are. docs/models.md
template <class S>
concept RandomizedSession = Session<S> && requires(S& s, const std::uint64_t* lane_values) {
    s.redraw(lane_values, lane_values);
};

/// An immutable network that makes sessions: what `prepare(model)` returns, shared by all threads.
template <class P>
concept Program = requires(const P& p) {
    { p.make_session() } -> Session;
    { p.input() } -> std::same_as<extents>;
    { p.classes() } -> std::convertible_to<std::size_t>;
};

/// A user's own model, around any inference engine: value_type, classes, input() and logits of a batch. docs/models.md
template <class M>
concept PlainModel = requires(const M& m, const basic_images<scalar_of<M>>& x, std::span<scalar_of<M>> logits) {
    { m.input() } -> std::same_as<extents>;
    { M::classes } -> std::convertible_to<std::size_t>;
    m.logits(x, logits);
};

/// A plain model that also supplies the input gradient.
template <class M>
concept DifferentiablePlainModel = PlainModel<M> &&
    requires(const M& m, const basic_images<scalar_of<M>>& x, std::span<const scalar_of<M>> slopes,
             std::span<scalar_of<M>> gradient) {
    m.input_gradient(x, slopes, gradient);
};

/// A plain model with randomness of its own: `logits` is told the example and the draw of each image. One with gradients takes them in
/// input_gradient too.
template <class M>
concept RandomizedPlainModel = PlainModel<M> &&
    requires(const M& m, const basic_images<scalar_of<M>>& x, std::span<scalar_of<M>> logits, std::span<const std::uint64_t> n) {
    m.logits(x, logits, n, n);
};

/// A model with weights that `prepare` turns into a program.
template <class M>
concept PreparableModel = requires(const M& m) {
    { prepare(m) } -> Program;
};

/// Anything that can be asked for logits; enough for black-box attacks and evaluation.
template <class M>
concept Model = Program<M> || PreparableModel<M> || PlainModel<M>;

namespace detail {

template <class M>
struct has_gradient : std::bool_constant<DifferentiablePlainModel<M>> {};
template <Program M>
struct has_gradient<M> : std::bool_constant<DifferentiableSession<decltype(std::declval<const M&>().make_session())>> {};
template <class M>
    requires(!Program<M> && PreparableModel<M>)
struct has_gradient<M> : has_gradient<std::remove_cvref_t<decltype(prepare(std::declval<const M&>()))>> {};

template <class M, class T>
inline constexpr bool has_scalar = false;
template <class M, class T>
    requires std::same_as<scalar_of<M>, T>
inline constexpr bool has_scalar<M, T> = true;

}  // namespace detail

/// A model that gradient attacks can use.
template <class M>
concept DifferentiableModel = Model<M> && detail::has_gradient<M>::value;

}  // namespace saddle
