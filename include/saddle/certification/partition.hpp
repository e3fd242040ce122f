#pragma once
#include "saddle/certification/certify.hpp"
#include "saddle/core/version.hpp"
#include "saddle/nn/model_fingerprint.hpp"

#include <typeinfo>

namespace saddle {

/// What a partition belongs to. Two runs whose identities are equal give the same partition.
struct partition_identity {
    std::string model;                                          ///< fingerprint of structure and weights, 16 hexadecimal digits
    std::string data;                                           ///< fingerprint of images and labels
    std::size_t images = 0;                                     ///< number of images
    std::string box;                                            ///< e.g. "Linf ball, epsilon 0.1"
    double epsilon = std::numeric_limits<double>::quiet_NaN();  ///< of an Linf ball, otherwise NaN
    std::string domain;                                         ///< name and settings
    std::string level;                                          ///< name of the soundness level
    std::string arithmetic;  ///< of the bounds: "float" or "double"; on a device "double, rounded to float"
};

/// A data set divided by what is known of each image on its box (catalogue C5); it may be unfinished.
struct partition {
    partition_identity identity;
    std::string version = text(SADDLE_VERSION_MAJOR, '.', SADDLE_VERSION_MINOR, '.', SADDLE_VERSION_PATCH);  ///< of the library
    std::size_t done = 0;             ///< the first so many images are certified
    std::vector<certificate> status;  ///< [N]; those not done yet: unverified
    std::vector<double> margin;       ///< [N] smallest margin; NaN where misclassified, falsified or not done
    double seconds = 0;               ///< of certification, summed over images

    [[nodiscard]] bool complete() const { return done == status.size(); }
    [[nodiscard]] std::size_t count(certificate c) const {
        std::size_t n = 0;
        for (std::size_t i = 0; i < done; ++i) n += status[i] == c;
        return n;
    }
    /// Share of the certified images that are verified; 0 if there are none.
    [[nodiscard]] double certified_accuracy() const {
        return done == 0 ? 0 : static_cast<double>(count(certificate::verified)) / static_cast<double>(done);
    }
};

namespace detail {

/// Collects a domain's settings as "name=value" texts: a visitor of `describe(visit)`, with parts.
class domain_settings {
public:
    template <class Value>
    void operator()(std::string_view name, const Value& value) {
        if constexpr (std::is_enum_v<Value>)
            add(name, text(static_cast<long long>(value)));
        else if constexpr (std::is_same_v<Value, bool>)
            add(name, value ? "true" : "false");
        else if constexpr (std::is_floating_point_v<Value>)
            add(name, exact_number(static_cast<double>(value)));
        else
            add(name, text(value));
    }
    template <class Part>
    void part(std::string_view name, const Part& described) {
        const std::string outer = std::exchange(prefix_, prefix_ + std::string(name) + '.');
        members(described);
        prefix_ = outer;
    }
    template <class D>
    void members(const D& d) {
        if constexpr (requires { d.describe(*this); }) return d.describe(*this);
        if constexpr (requires { d.slope; }) (*this)("slope", d.slope);
        if constexpr (requires { d.bound_at; }) (*this)("bound_at", d.bound_at);
        if constexpr (requires { d.hidden; }) (*this)("hidden", d.hidden);
        if constexpr (requires { d.intersect; }) (*this)("intersect", d.intersect);
    }
    [[nodiscard]] const std::string& list() const { return list_; }

private:
    void add(std::string_view name, const std::string& value) {
        list_ += (list_.empty() ? "" : ", ") + prefix_ + std::string(name) + '=' + value;
    }
    std::string prefix_, list_;
};

/// "DeepPoly (slope=0, bound_at=1, hidden=0)".
template <class D>
[[nodiscard]] std::string domain_text(const D& domain) {
    domain_settings settings;
    settings.members(domain);
    return std::string(D::name) + (settings.list().empty() ? "" : " (" + settings.list() + ')');
}

[[nodiscard]] inline std::string hexadecimal(std::uint64_t v) {
    std::string digits(16, '0');
    for (std::size_t i = 0; i < 16; ++i) digits[15 - i] = "0123456789abcdef"[v >> (4 * i) & 15];
    return digits;
}

/// Part of a box over many images: image i is image first + i of the whole.
template <class Box>
struct shifted_box {
    const Box& box;
    std::size_t first;

    void validate(std::size_t, std::string_view) const {}  // the whole is validated once
    template <class T>
    void operator()(std::size_t image, std::span<const T> x, std::span<T> lower, std::span<T> upper) const {
        box(first + image, x, lower, upper);
    }
};

}  // namespace detail

/// The identity of a partition by D, for a model with weights. Throws shape_error unless there is one label per image.
template <class D, class BoundScalar = void, class M, class T, class Box>
[[nodiscard]] partition_identity identify_partition(const M& model, const basic_images<T>& x, const labels& y, const Box& box,
                                                    const D& domain = {}, soundness level = soundness::float_program) {
    static_assert(
        requires { box.describe(); },
        "saddle: this input box does not say what it is, so a partition cannot be told from others: give it describe()");
    using scalar = std::conditional_t<std::is_void_v<BoundScalar>, T, BoundScalar>;
    require<shape_error>(y.size() == x.size(), "identify_partition", "number of labels", x.size(), y.size());
    const std::size_t shape[] = {x.each().channels, x.each().height, x.each().width, sizeof(T)};
    std::uint64_t data = fingerprint(std::as_bytes(x.values()), fingerprint(std::as_bytes(std::span(shape))));
    data = fingerprint(std::as_bytes(std::span(y)), data);
    partition_identity identity;
    identity.model = detail::hexadecimal(fingerprint_model<T>(model.structure(), model.parameters(), model.buffers()));
    identity.data = detail::hexadecimal(data);
    identity.images = x.size();
    identity.box = box.describe();
    if constexpr (std::is_same_v<Box, linf_box>) identity.epsilon = box.epsilon;
    identity.domain = detail::domain_text(domain);
    identity.level = name_of(level);
    identity.arithmetic = detail::certified_program<typename M::backend, typename M::value_type>::template arithmetic<scalar>;
    return identity;
}

/// Throws data_error, with a line for every difference, unless a partition that was found at `where` belongs to what is `expected`.
inline void require_same_partition(const partition_identity& expected, const partition_identity& found,
                                   const std::string& where) {
    std::string differences;
    const auto compare = [&](const char* what, const auto& wanted, const auto& seen) {
        if (wanted != seen) differences += text("\n  ", what, ": expected ", wanted, ", found ", seen);
    };
    compare("model", expected.model, found.model);
    compare("images and labels", expected.data, found.data);
    compare("number of images", expected.images, found.images);
    compare("input box", expected.box, found.box);
    compare("domain", expected.domain, found.domain);
    compare("soundness", expected.level, found.level);
    compare("arithmetic of the bounds", expected.arithmetic, found.arithmetic);
    if (!differences.empty())
        throw data_error(
            text(where, ": this partition belongs to something else; certify again, under another name.", differences));
}

}  // namespace saddle
