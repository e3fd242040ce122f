// expected-error: saddle: -ffast-math breaks the library's guarantees
// flags: -ffast-math
#include "saddle/core/config.hpp"

int main() {}
