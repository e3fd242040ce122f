#pragma once
#include "saddle/evaluation/format.hpp"
#include "saddle/evaluation/html.hpp"
#include "saddle/evaluation/report.hpp"

namespace saddle {

/// Style sheet of line_chart and chart_legend; the page defines the colours --c0 .. --c7, --ink, --muted and --hairline.
inline constexpr const char* chart_style = R"css(
.chart{display:block;width:100%;height:auto;overflow:visible}
.chart text{font:14px/1 var(--sans);fill:var(--muted)}
.chart .grid{stroke:var(--hairline);stroke-width:1}
.chart .axis{stroke:var(--muted);stroke-width:1}
.k0{--c:var(--c0)}.k1{--c:var(--c1)}.k2{--c:var(--c2)}.k3{--c:var(--c3)}
.k4{--c:var(--c4)}.k5{--c:var(--c5)}.k6{--c:var(--c6)}.k7{--c:var(--c7)}
.line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.d1{stroke-dasharray:7 5}.d2{stroke-dasharray:1.5 4.5}.d3{stroke-dasharray:9 4 1.5 4}
.bar{stroke:var(--c);stroke-width:1.5;opacity:.45}
.dot{fill:var(--surface);stroke:var(--c);stroke-width:2}
.dot.p0{fill:var(--c)}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.25rem;list-style:none;margin:.5rem 0 .25rem;
padding:0;font-size:.8125rem;color:var(--ink)}
.legend li{display:flex;align-items:center;gap:.5rem}
.legend svg{width:34px;height:12px;flex:none}
)css";

namespace detail {

inline constexpr int chart_colors = 8, chart_dashes = 4;

/// A range of one axis with round steps.
struct axis {
    double low = 0, high = 1, step = .2;

    /// Covers [low, high] with about `wanted` steps of 1, 2 or 5 times a power of ten.
    static axis covering(double low, double high, double wanted) {
        if (!(low <= high)) return {};
        if (low == high) low -= std::max(1e-12, std::abs(low) * .1), high += std::max(1e-12, std::abs(high) * .1);
        const double raw = (high - low) / wanted, power = std::pow(10., std::floor(std::log10(raw)));
        const double step = power * (raw <= power ? 1 : raw <= 2 * power ? 2 : raw <= 5 * power ? 5 : 10);
        if (!std::isfinite(step) || step <= 0) return {};
        return {std::floor(low / step + 1e-9) * step, std::ceil(high / step - 1e-9) * step, step};
    }
};

/// Where a chart's values stand in its picture.
struct chart_frame {
    double left = 66, right = 622, top = 12, bottom = 296;
    axis x, y;
    [[nodiscard]] std::string at_x(double v) const {
        return fixed_text(left + (v - x.low) / (x.high - x.low) * (right - left), 1);
    }
    [[nodiscard]] std::string at_y(double v) const {
        return fixed_text(bottom - (v - y.low) / (y.high - y.low) * (bottom - top), 1);
    }
};

inline std::string color_class(const curve& c, std::size_t order) {
    return "k" + std::to_string((c.color < 0 ? static_cast<int>(order) : c.color) % chart_colors);
}
inline std::string dash_class(const curve& c) { return std::to_string(std::max(0, c.dash) % chart_dashes); }

[[gnu::cold]] inline chart_frame frame_of(const chart& c) {
    constexpr double infinite = std::numeric_limits<double>::infinity();
    double x_low = infinite, x_high = -infinite, y_low = infinite, y_high = -infinite;
    for (const auto& line : c.curves) {
        const auto fits = [&](const std::vector<double>& v) { return v.empty() || v.size() == line.y.size(); };
        require<shape_error>(line.x.size() == line.y.size() && fits(line.lower) && fits(line.upper), "line_chart",
                             text("values of the curve '", line.name, "'"), text(line.y.size(), " in x, lower and upper"),
                             text(line.x.size(), ", ", line.lower.size(), ", ", line.upper.size()));
        for (std::size_t i = 0; i < line.y.size(); ++i) {
            if (!std::isfinite(line.x[i]) || !std::isfinite(line.y[i])) continue;
            x_low = std::min(x_low, line.x[i]), x_high = std::max(x_high, line.x[i]);
            y_low = std::min(y_low, line.y[i]), y_high = std::max(y_high, line.y[i]);
        }
    }
    chart_frame frame;
    frame.x = axis::covering(x_low, x_high, 7);
    if (x_low < x_high) frame.x.low = x_low, frame.x.high = x_high;  // lines use the whole width
    frame.y = c.share ? axis{0, 1, .2} : axis::covering(y_low, y_high, 5);
    return frame;
}

[[gnu::cold]] inline std::string svg_line(const std::string& kind, const std::string& x1, const std::string& y1,
                                          const std::string& x2, const std::string& y2) {
    return "<line class=\"" + kind + "\" x1=\"" + x1 + "\" y1=\"" + y1 + "\" x2=\"" + x2 + "\" y2=\"" + y2 + "\"/>";
}
[[gnu::cold]] inline std::string svg_text(double x, double y, const std::string& anchor, const std::string& content,
                                          const std::string& more = "") {
    return html_element("text",
                        "x=\"" + fixed_text(x, 1) + "\" y=\"" + fixed_text(y, 1) + "\" text-anchor=\"" + anchor + '"' + more,
                        escape_html(content));
}

[[gnu::cold]] inline std::string svg_axes(const chart& c, const chart_frame& f) {
    std::string out;
    const auto tick = [](double v, double step) { return short_text(std::abs(v) < step * 1e-6 ? 0 : v, 6); };
    for (int i = 0; i <= 40; ++i) {
        const double v = f.y.low + i * f.y.step;
        if (v > f.y.high + f.y.step * 1e-6) break;
        out += svg_line("grid", fixed_text(f.left, 1), f.at_y(v), fixed_text(f.right, 1), f.at_y(v));
        out += "<text x=\"" + fixed_text(f.left - 8, 1) + "\" y=\"" + f.at_y(v) + "\" dy=\".35em\" text-anchor=\"end\">" +
               (c.share ? percent_text(v, 0) + " %" : tick(v, f.y.step)) + "</text>";
    }
    const double first = std::ceil(f.x.low / f.x.step - 1e-6) * f.x.step;
    for (int i = 0; i <= 40; ++i) {
        const double v = first + i * f.x.step;
        if (v > f.x.high + f.x.step * 1e-6) break;
        out += svg_line("axis", f.at_x(v), fixed_text(f.bottom, 1), f.at_x(v), fixed_text(f.bottom + 5, 1));
        out += "<text x=\"" + f.at_x(v) + "\" y=\"" + fixed_text(f.bottom + 21, 1) + "\" text-anchor=\"middle\">" +
               tick(v, f.x.step) + "</text>";
    }
    out += svg_line("axis", fixed_text(f.left, 1), fixed_text(f.bottom, 1), fixed_text(f.right, 1), fixed_text(f.bottom, 1));
    out += svg_text((f.left + f.right) / 2, f.bottom + 45, "middle", c.x_label);
    const double middle = (f.top + f.bottom) / 2;
    return out + svg_text(13, middle, "middle", c.y_label, " transform=\"rotate(-90 13 " + fixed_text(middle, 1) + ")\"");
}

[[gnu::cold]] inline std::string svg_curve(const chart& c, const curve& line, const chart_frame& f) {
    std::string path, bars, dots;
    const auto value = [&](double v) { return c.share ? percent_text(v) + " %" : short_text(v, 4); };
    bool drawing = false;
    for (std::size_t i = 0; i < line.y.size(); ++i) {
        if (!std::isfinite(line.x[i]) || !std::isfinite(line.y[i])) {
            drawing = false;
            continue;
        }
        const std::string x = f.at_x(line.x[i]), y = f.at_y(line.y[i]);
        path += (drawing ? "L" : "M") + x + ' ' + y;
        drawing = true;
        std::string range;
        if (!line.lower.empty() && !line.upper.empty() && std::isfinite(line.lower[i]) && std::isfinite(line.upper[i])) {
            bars += svg_line("bar", x, f.at_y(std::max(f.y.low, line.lower[i])), x, f.at_y(std::min(f.y.high, line.upper[i])));
            range = " (" + value(line.lower[i]) + " to " + value(line.upper[i]) + ')';
        }
        const std::string tip = line.name + ": " + value(line.y[i]) + range + " at " + short_text(line.x[i], 4);
        dots += "<circle class=\"dot p" + dash_class(line) + "\" cx=\"" + x + "\" cy=\"" + y + "\" r=\"" +
                (line.y.size() > 30 ? "1.5" : "3") + "\">" + html_element("title", "", escape_html(tip)) + "</circle>";
    }
    return path.empty() ? "" : bars + "<path class=\"line d" + dash_class(line) + "\" d=\"" + path + "\"/>" + dots;
}

}  // namespace detail

/// The chart as one SVG element for an HTML page with chart_style: axes, a grid, a line with points per curve, bars for
/// intervals, and a tooltip per point. Points that are not finite are gaps. Throws shape_error for a curve whose vectors differ
/// in length.
[[nodiscard, gnu::cold]] inline std::string line_chart(const chart& c) {
    const auto frame = detail::frame_of(c);
    std::string body = detail::svg_axes(c, frame);
    for (std::size_t i = 0; i < c.curves.size(); ++i)
        body +=
            html_element("g", "class=\"" + detail::color_class(c.curves[i], i) + '"', detail::svg_curve(c, c.curves[i], frame));
    return html_element("svg", "class=\"chart\" viewBox=\"0 0 640 352\" role=\"img\" aria-label=\"" + escape_html(c.title) + '"',
                        body);
}

/// The legend of a chart as an HTML list.
[[nodiscard, gnu::cold]] inline std::string chart_legend(const chart& c) {
    std::string items;
    for (std::size_t i = 0; i < c.curves.size(); ++i) {
        const auto& line = c.curves[i];
        const std::string dash = detail::dash_class(line);
        items += "<li class=\"" + detail::color_class(line, i) +
                 "\"><svg viewBox=\"0 0 34 12\" aria-hidden=\"true\"><path class=\"line d" + dash +
                 "\" d=\"M1 6H33\"/><circle class=\"dot p" + dash + "\" cx=\"17\" cy=\"6\" r=\"3\"/></svg>" +
                 escape_html(line.name) + "</li>";
    }
    return html_element("ul", "class=\"legend\"", items);
}

}  // namespace saddle
