#pragma once
#include "saddle/io/safetensors.hpp"
#include "saddle/nn/plan.hpp"
#include "saddle/training/recipe.hpp"
#include "saddle/training/records.hpp"

namespace saddle {

namespace detail {

template <class U>
inline constexpr bool is_span = false;
template <class U>
inline constexpr bool is_span<std::span<U>> = true;

/// Archive that appends each field as a tensor "saddle.<name>".
struct checkpoint_writer {
    safetensors_file& file;

    template <class Field>
    void operator()(std::string_view name, Field& field) {
        const std::string full = text("saddle.", name);
        if constexpr (std::is_arithmetic_v<Field>)
            file.tensors.push_back(make_entry(full, {}, std::span<const Field>(&field, 1)));
        else
            file.tensors.push_back(make_entry(full, {field.size()}, std::span<const typename Field::value_type>(field)));
    }
};

/// Archive that compares each field's type and size with a file's, and with `assign` takes the values over.
struct checkpoint_reader {
    const safetensors_file& file;
    std::vector<std::string>& differences;
    bool assign;

    /// The tensor when it is there with that element type and number of elements; otherwise notes the difference.
    template <class U>
    const tensor_entry* find(const std::string& name, std::size_t count) {
        const auto* t = file.find(name);
        const auto wanted = text(count, " of ", element_type<U>());
        if (!t)
            differences.push_back(text(name, ": expected ", wanted, ", found nothing"));
        else if (t->type != element_type<U>() || t->bytes.size() != count * sizeof(U))
            differences.push_back(
                text(name, ": expected ", wanted, ", found ", t->bytes.size() / element_size(t->type), " of ", t->type));
        else
            return t;
        return nullptr;
    }
    template <class U>
    void copy(const std::string& name, std::span<U> to) {
        const auto* t = find<U>(name, to.size());
        if (t && assign) std::copy_n(t->bytes.data(), t->bytes.size(), reinterpret_cast<std::byte*>(to.data()));
    }
    template <class Field>
    void operator()(std::string_view name, Field& field) {
        const std::string full = text("saddle.", name);
        if constexpr (std::is_same_v<Field, bool>) {
            if (const auto* t = find<bool>(full, 1); t && assign) field = t->bytes[0] != std::byte{0};
        } else if constexpr (std::is_arithmetic_v<Field>) {
            copy(full, std::span<Field>(&field, 1));
        } else if constexpr (is_span<Field>) {
            copy(full, field);
        } else {
            using value_type = typename Field::value_type;
            const auto* t = file.find(full);
            const std::size_t count = t ? t->bytes.size() / sizeof(value_type) : 0;
            if (assign) field.resize(count);
            if (assign)
                copy(full, std::span<value_type>(field));
            else
                find<value_type>(full, count);
        }
    }
};

}  // namespace detail

/// Observer that writes a training's whole state (weights, buffers, optimizer, objective, observers with fields, position,
/// recipe) to a .safetensors file and goes on from it: the resumed training gives the same bits as one that was never stopped.
///
/// The file is replaced in one step, so a kill at any moment leaves the last whole checkpoint. It is written every `every_steps`
/// steps and `every_epochs` epochs (0: never), at the end, and when the user interrupts. fit resumes from it where it exists,
/// unless `resume` is false, and returns at once when that training was complete. Weights stand in it under their state_dict
/// names, so it also loads as a weights file. Restoring throws io_error for a file that is unreadable, damaged or no checkpoint,
/// and invalid_argument, with the list of differences, for one of another model, recipe or data set; the model is unchanged then.
/// Saving throws io_error.
struct checkpoint {
    std::string path;
    std::size_t every_steps = 0, every_epochs = 1;
    bool resume = true;

    /// The path must be writable: tried before the first step, not after the first epoch.
    template <class Trainer>
    void restore(Trainer& t) const {
        require(!path.empty(), "checkpoint", "path", "the name of a file", "an empty text");
        if (resume && (is_file(path) || is_folder(path)))
            load(t);
        else
            write(t);
    }

    template <class Trainer>
    void save(Trainer& t, save_reason reason) const {
        const auto& at = t.position();
        const bool due = (every_steps > 0 && at.steps() % every_steps == 0) ||
                         (every_epochs > 0 && at.step == 0 && at.epoch % every_epochs == 0);
        const bool stepping = reason == save_reason::step || reason == save_reason::epoch;
        if (due == stepping) write(t);  // at the end and when interrupted, only what is not written yet
    }

    /// Writes the trainer's state now.
    template <class Trainer>
    [[gnu::cold]] void write(Trainer& t) const {
        using value_type = typename Trainer::value_type;
        safetensors_file file;
        file.metadata["saddle.checkpoint"] = "1";
        for (const auto& [name, value] : t.describe().entries()) file.metadata["recipe." + name] = value;
        const plan& p = t.model().structure();
        for (const auto& info : p.parameters)
            file.tensors.push_back(make_entry(
                info.name, info.dimensions, std::span<const value_type>(t.model().parameters().subspan(info.offset, info.size))));
        for (const auto& info : p.buffers)
            file.tensors.push_back(make_entry(info.name, info.dimensions,
                                              std::span<const value_type>(t.model().buffers().subspan(info.offset, info.size))));
        t.fields(detail::checkpoint_writer{file});
        write_safetensors(path, file);
    }

    /// How many epochs, and steps of the next one, the training in the file has done; nothing where fit would start anew. Throws
    /// io_error for a file that is unreadable, damaged or no checkpoint.
    struct progress {
        std::size_t epochs = 0, steps = 0;
    };
    [[nodiscard, gnu::cold]] std::optional<progress> saved() const {
        if (!resume || !is_file(path)) return std::nullopt;
        const auto file = read();
        const auto count = [&](std::string_view name) {
            const auto* t = file.find(name);
            require<io_error>(t && t->bytes.size() == element_size(t->type), path, text("tensor '", name, "'"), "a number",
                              t ? "several" : "nothing");
            return values_as<std::size_t>(*t)[0];
        };
        return progress{count("saddle.epoch"), count("saddle.step")};
    }

    /// Takes over the state in the file, all of it or nothing.
    template <class Trainer>
    [[gnu::cold]] void load(Trainer& t) const {
        const auto file = read();
        std::vector<std::string> differences;
        compare_recipes(file, t.describe().entries(), differences);
        read(t, detail::checkpoint_reader{file, differences, false});
        if (!differences.empty()) {
            std::string list;
            for (const auto& d : differences) list += "\n  " + d;
            throw invalid_argument(text(path,
                                        ": this checkpoint belongs to another training; use another path, or `resume = false` to "
                                        "start anew. Differences:",
                                        list));
        }
        read(t, detail::checkpoint_reader{file, differences, true});
    }

private:
    [[nodiscard]] safetensors_file read() const {
        auto file = read_safetensors(path);
        const auto mark = file.metadata.find("saddle.checkpoint");
        require<io_error>(mark != file.metadata.end() && mark->second == "1", path, "kind of file",
                          "a checkpoint of a training (version 1)",
                          mark == file.metadata.end() ? "a safetensors file of something else" : "version " + mark->second);
        return file;
    }
    [[gnu::cold]] static void compare_recipes(const safetensors_file& file, const std::map<std::string, std::string>& now,
                                              std::vector<std::string>& differences) {
        const std::string prefix = "recipe.";
        for (const auto& [name, value] : now) {
            const auto found = file.metadata.find(prefix + name);
            const std::string before = found == file.metadata.end() ? "nothing" : found->second;
            if (before != value || found == file.metadata.end())
                differences.push_back(text(name, ": ", before, " in the checkpoint, ", value, " now"));
        }
        for (const auto& [key, value] : file.metadata)
            if (key.starts_with(prefix) && !now.contains(key.substr(prefix.size())))
                differences.push_back(text(key.substr(prefix.size()), ": ", value, " in the checkpoint, nothing now"));
    }
    template <class Trainer>
    [[gnu::cold]] static void read(Trainer& t, detail::checkpoint_reader reader) {
        const plan& p = t.model().structure();
        for (const auto& info : p.parameters) reader.copy(info.name, t.model().parameters().subspan(info.offset, info.size));
        for (const auto& info : p.buffers) reader.copy(info.name, t.model().buffers().subspan(info.offset, info.size));
        t.fields(reader);
    }
};

}  // namespace saddle
