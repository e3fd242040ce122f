#pragma once
#include "saddle/core/images.hpp"
#include "saddle/core/random.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

/// What the programs of this folder share: a line of a table and of JSON per measurement, and times that are medians.
namespace measure {

inline double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Runs f until `least` seconds have passed and at least three times, after one run that warms up; the median of its seconds.
template <class F>
double median_seconds(F&& f, double least = 1) {
    f();
    std::vector<double> times;
    for (const double begin = seconds(); times.size() < 3 || (seconds() - begin < least && times.size() < 200);) {
        const double start = seconds();
        f();
        times.push_back(seconds() - start);
    }
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
    return times[times.size() / 2];
}

/// Prints a row and appends it to a file of JSON lines: {"what": ..., "case": ..., "value": ..., "unit": ...}.
class report {
public:
    explicit report(const char* path) : file_(path, std::ios::app) {
        if (!file_) throw saddle::io_error(saddle::text("measure: ", path, " cannot be written"));
    }
    void row(const std::string& what, const std::string& which, double value, const std::string& unit) {
        std::printf("%-28s %-44s %14.4g %s\n", what.c_str(), which.c_str(), value, unit.c_str());
        std::fflush(stdout);
        file_ << "{\"what\": \"" << what << "\", \"case\": \"" << which << "\", \"value\": " << value << ", \"unit\": \"" << unit
              << "\"}\n";
        file_.flush();
    }

private:
    std::ofstream file_;
};

/// Images in [0,1], each pixel a draw.
inline saddle::images random_images(std::size_t count, saddle::extents each) {
    saddle::images x(count, each);
    const saddle::random_stream draws({.seed = 1, .purpose = saddle::purpose::user});
    for (std::size_t i = 0; i < x.values().size(); ++i) x.values()[i] = draws.uniform(0, i);
    return x;
}

}  // namespace measure
