#pragma once
/// Version of the library; the single source that CMake reads.
#define SADDLE_VERSION_MAJOR 0
#define SADDLE_VERSION_MINOR 1
#define SADDLE_VERSION_PATCH 0
