#pragma once

namespace saddle {

/// Which decisions an attack of the AutoAttack ensemble takes where its reference implementation (fra31/auto-attack) has a flaw.
/// Random draws are per example in both.
enum class attack_profile {
    official,      ///< those of the reference, so that figures compare
    deterministic  ///< the correct ones
};

[[nodiscard]] inline const char* name_of(attack_profile profile) {
    return profile == attack_profile::official ? "official" : "deterministic";
}

}  // namespace saddle
