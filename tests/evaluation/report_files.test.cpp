#include "saddle/evaluation/report_csv.hpp"
#include "saddle/evaluation/report_html.hpp"
#include "saddle/evaluation/report_json.hpp"

#include "evaluation/sample_report.hpp"
#include "support/catch.hpp"

#include <filesystem>

namespace {

struct temporary_folder {
    std::filesystem::path path = std::filesystem::temp_directory_path() / ("saddle-report-" + std::to_string(::getpid()));
    temporary_folder() { std::filesystem::create_directories(path); }
    ~temporary_folder() { std::filesystem::remove_all(path); }
    [[nodiscard]] std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator{}));
    }
};

}  // namespace

TEST_CASE("each writer writes exactly its text", "[evaluation]") {
    const temporary_folder folder;
    const auto r = sample_report();
    const auto at = [&](const char* name) { return (folder.path / name).string(); };
    saddle::write_csv(r, at("r.csv"));
    saddle::write_json(r, at("r.json"));
    saddle::write_html(r, at("r.html"));
    CHECK(saddle::read_text(at("r.csv")) == saddle::csv_text(r));
    CHECK(saddle::read_text(at("r.json")) == saddle::json_text(r));
    CHECK(saddle::read_text(at("r.html")) == saddle::html_text(r));
    CHECK(folder.files() == 3);
}

TEST_CASE("a missing folder or a full disk is an error and leaves nothing behind", "[evaluation]") {
    const temporary_folder folder;
    const auto r = sample_report();
    for (const auto& path : {(folder.path / "none" / "r").string(), std::string("/dev/full")}) {
        if (path == "/dev/full" && !std::filesystem::exists(path)) continue;
        CAPTURE(path);
        CHECK_THROWS_AS(saddle::write_csv(r, path), saddle::io_error);
        CHECK_THROWS_AS(saddle::write_json(r, path), saddle::io_error);
        CHECK_THROWS_AS(saddle::write_html(r, path), saddle::io_error);
    }
    CHECK(folder.files() == 0);
}

TEST_CASE("a report that cannot be drawn leaves the earlier file as it was", "[evaluation]") {
    const temporary_folder folder;
    const auto path = (folder.path / "r.html").string();
    auto r = sample_report();
    saddle::write_html(r, path);
    const auto before = saddle::read_text(path);
    r.pictures[0].rows[0][0].values.clear();
    CHECK_THROWS_AS(saddle::write_html(r, path), saddle::shape_error);
    CHECK(saddle::read_text(path) == before);
}
