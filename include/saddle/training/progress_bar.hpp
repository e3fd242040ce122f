#pragma once
#include "saddle/training/records.hpp"

#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <unistd.h>

namespace saddle {

/// Hours, minutes and seconds as "1:02:03" or "2:03".
[[nodiscard, gnu::cold]] inline std::string clock_text(double seconds) {
    const auto whole = std::llround(std::max(0., std::min(seconds, 1e9)));
    std::ostringstream out;
    if (whole >= 3600) out << whole / 3600 << ':' << std::setfill('0') << std::setw(2);
    out << whole / 60 % 60 << ':' << std::setfill('0') << std::setw(2) << whole % 60;
    return out.str();
}

/// Observer that shows progress, loss, accuracy, learning rate, images per second and the time left in the whole training.
///
/// On a terminal one line is redrawn at most ten times a second and kept at the end of each epoch; elsewhere one plain line per
/// epoch. Work of an objective between epochs, such as a certification, has a line of its own.
class progress_bar {
public:
    /// Writes to `out`; `terminal` says whether lines can be redrawn.
    explicit progress_bar(std::ostream& out, bool terminal) : out_(&out), terminal_(terminal) {}
    /// Writes to the standard error stream, redrawing when that is a terminal.
    progress_bar() : progress_bar(std::cerr, ::isatty(STDERR_FILENO) == 1) {}

    /// Says so where a checkpoint brought steps that are done already.
    template <class Trainer>
    void train_begin(const Trainer& trainer) {
        seconds_ = steps_ = 0;
        const schedule_position at = trainer.position();
        if (at.steps() == 0) return;
        *out_ << "resumed: ";
        if (at.epoch >= at.epochs)
            *out_ << "all " << at.epochs << " epochs are done already\n";
        else
            *out_ << (trainer.stopped() ? "ended by an observer before step " : "step ") << at.step + 1 << '/'
                  << at.steps_per_epoch << " of epoch " << at.epoch + 1 << '/' << at.epochs << '\n';
        *out_ << std::flush;
    }
    void epoch_begin(const schedule_position&) { loss_ = correct_ = examples_ = epoch_seconds_ = 0; }

    void step_end(const step_record& r) {
        const double n = static_cast<double>(r.examples);
        loss_ += r.loss * n;
        correct_ += r.accuracy * n;
        examples_ += n;
        epoch_seconds_ += r.seconds;
        seconds_ += r.seconds;
        steps_ += 1;
        const auto& at = r.position;
        left_ = seconds_ / steps_ * static_cast<double>(at.total() - at.steps() - 1);
        if (!terminal_ || !due()) return;
        draw(at.epoch, at.epochs, static_cast<double>(at.step + 1) / static_cast<double>(at.steps_per_epoch), loss_ / examples_,
             correct_ / examples_, r.learning_rate, examples_ / epoch_seconds_);
    }
    void epoch_end(const epoch_record& r) {
        draw(r.epoch, r.epochs, 1, r.loss, r.accuracy, r.learning_rate, r.examples_per_second());
        for (const auto& m : r.measures) *out_ << "  " << m.name << ' ' << std::setprecision(4) << m.value;
        *out_ << '\n' << std::flush;
    }

    void work(std::string_view name, std::size_t done, std::size_t total) {
        if (done < total && (!terminal_ || !due())) return;
        *out_ << (terminal_ ? "\r\x1b[K" : "") << name << ' ' << done << '/' << total << (done < total ? "" : "\n") << std::flush;
    }

private:
    /// Whether the line on a terminal is a tenth of a second old.
    bool due() {
        const auto now = std::chrono::steady_clock::now();
        if (now - drawn_ < std::chrono::milliseconds(100)) return false;
        drawn_ = now;
        return true;
    }
    [[gnu::cold]] void draw(std::size_t epoch, std::size_t epochs, double part, double loss, double accuracy, double rate,
                            double speed) {
        std::ostringstream line;
        line << "epoch " << epoch + 1 << '/' << epochs;
        if (terminal_) {
            constexpr int width = 20;
            const int full = static_cast<int>(part * width);
            line << " [" << std::string(static_cast<std::size_t>(full), '#')
                 << std::string(static_cast<std::size_t>(width - full), '.') << ']';
        }
        line << std::fixed << std::setprecision(4) << "  loss " << loss << std::setprecision(2) << "  accuracy " << 100 * accuracy
             << " %" << std::defaultfloat << std::setprecision(3) << "  learning rate " << rate << std::fixed
             << std::setprecision(0) << "  " << speed << " images/s  " << clock_text(left_) << " left";
        *out_ << (terminal_ ? "\r\x1b[K" : "") << line.str() << std::flush;
    }

    std::ostream* out_;
    bool terminal_;
    double loss_ = 0, correct_ = 0, examples_ = 0, epoch_seconds_ = 0, seconds_ = 0, steps_ = 0, left_ = 0;
    std::chrono::steady_clock::time_point drawn_{};
};

}  // namespace saddle
