#include "saddle/training/progress_bar.hpp"

#include "support/catch.hpp"

using namespace saddle;

namespace {

struct training_at {
    schedule_position at{};
    bool ended = false;
    [[nodiscard]] schedule_position position() const { return at; }
    [[nodiscard]] bool stopped() const { return ended; }
};

std::string shown_at_begin(const schedule_position& at, bool stopped = false) {
    std::ostringstream out;
    progress_bar(out, false).train_begin(training_at{at, stopped});
    return out.str();
}

std::string shown(bool terminal) {
    std::ostringstream out;
    progress_bar bar(out, terminal);
    bar.train_begin(training_at{});
    bar.epoch_begin({0, 0, 2, 3});
    bar.step_end({{0, 0, 2, 3}, 64, .5, .75, .1, 2});
    bar.step_end({{0, 1, 2, 3}, 64, .3, .85, .1, 2});
    bar.epoch_end({0, 3, 128, .4, .8, .1, 4});
    return out.str();
}

}  // namespace

TEST_CASE("away from a terminal the progress is one plain line per epoch") {
    CHECK(shown(false) == "epoch 1/3  loss 0.4000  accuracy 80.00 %  learning rate 0.1  32 images/s  0:08 left\n");
}

TEST_CASE("on a terminal the line is redrawn and ends full") {
    const auto text = shown(true);
    CHECK(text.starts_with("\r\x1b[Kepoch 1/3 [##########..........]  loss 0.5000"));
    CHECK(text.find("[####################]  loss 0.4000  accuracy 80.00 %") != text.npos);
    CHECK(text.ends_with("0:08 left\n"));
}

TEST_CASE("work between epochs has a line of its own") {
    const auto work = [](bool terminal) {
        std::ostringstream out;
        progress_bar bar(out, terminal);
        for (std::size_t done = 1; done <= 3; ++done) bar.work("certification", done, 3);
        return out.str();
    };
    CHECK(work(false) == "certification 3/3\n");
    CHECK(work(true).starts_with("\r\x1b[Kcertification 1/3"));
    CHECK(work(true).ends_with("\r\x1b[Kcertification 3/3\n"));
}

TEST_CASE("a training that goes on says where") {
    CHECK(shown_at_begin({0, 0, 10, 3}).empty());
    CHECK(shown_at_begin({1, 4, 10, 3}) == "resumed: step 5/10 of epoch 2/3\n");
    CHECK(shown_at_begin({1, 4, 10, 3}, true) == "resumed: ended by an observer before step 5/10 of epoch 2/3\n");
    CHECK(shown_at_begin({3, 0, 10, 3}) == "resumed: all 3 epochs are done already\n");
}

TEST_CASE("times are written as clocks show them") {
    CHECK(clock_text(0) == "0:00");
    CHECK(clock_text(59.6) == "1:00");
    CHECK(clock_text(3723) == "1:02:03");
    CHECK(clock_text(36000 + 60) == "10:01:00");
}
