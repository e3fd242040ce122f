#!/usr/bin/env bash
# Seconds of processor time that compiling takes: every header alone (-fsyntax-only), every example, deep training (where nvcc is, for
# each architecture of the GPU too). One line each.
set -euo pipefail
cd "$(dirname "$0")/../.."
flags="-std=c++20 -O2 -DNDEBUG -march=native -DSADDLE_EXTERN_KERNELS --param=ggc-min-heapsize=600000 -w -I include"   # of an example in a Release build
measure() {   # name, command
    TIMEFORMAT=%U
    printf '%6s s  %s\n' "$( { time bash -c "$2" >/dev/null 2>&1; } 2>&1 )" "$1"
}
for file in $(find examples -name "*.cpp" | sort) benchmarks/compile_time/*.cpp; do measure "$file" "g++ $flags -c $file -o /dev/null"; done
command -v nvcc >/dev/null && for arch in 80 90 90a; do
    file=benchmarks/compile_time/preact_resnet18_training.cu
    measure "$file for sm_$arch" "nvcc -std=c++20 --expt-relaxed-constexpr -O3 -DNDEBUG -gencode arch=compute_$arch,code=sm_$arch -diag-suppress 1675 -I include -c $file -o /dev/null"
done
while read -r header; do measure "$header" "g++ $flags -fsyntax-only -x c++ $header"; done < <(find include -name '*.hpp' | sort) | sort -rn | head -${1:-10}
