#pragma once
#include "saddle/core/error.hpp"

#include <map>
#include <string>

/// What a program can be told by `--name value` pairs: names with what they are unless told otherwise.
class options {
public:
    /// Throws invalid_argument for a name that is not among `values`, or one without a value.
    options(std::string program, std::map<std::string, std::string> values, int count, char** arguments)
        : program_(std::move(program)), values_(std::move(values)) {
        for (int i = 1; i < count; i += 2) {
            const std::string name = arguments[i];
            const bool known = name.starts_with("--") && values_.contains(name.substr(2));
            saddle::require(known && i + 1 < count, program_, "option", "a name of the list above with a value", name);
            values_[name.substr(2)] = arguments[i + 1];
        }
    }
    /// Throws invalid_argument for what is no whole number > 0.
    [[nodiscard]] std::size_t number(const std::string& name) const {
        std::size_t read = 0, value = 0;
        try {
            value = std::stoul(values_.at(name), &read);
        } catch (const std::logic_error&) {
        }
        saddle::require(read == values_.at(name).size() && value > 0, program_, "--" + name, "a whole number > 0",
                        values_.at(name));
        return value;
    }
    [[nodiscard]] const std::string& text_of(const std::string& name) const { return values_.at(name); }

private:
    std::string program_;
    std::map<std::string, std::string> values_;
};
