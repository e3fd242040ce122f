#!/usr/bin/env bash
# Builds, tests and measures the CUDA backend, each part under ten minutes:
#   benchmarks/cuda/run.sh build|test|sanitize|measure|certify|baseline|recipe|table|all [FOLDER]
# FOLDER (default build/cuda) takes programs and results: results.jsonl, baseline.jsonl, table.txt.
#   build     compiles the programs with nvcc for SADDLE_CUDA_ARCH (default: the device at hand, else 90a), libraries static where they can
#             be, so that FOLDER can be carried to a machine that has only a driver
#   test      the backend against the reference on the device; SADDLE_MNIST=DIR compares attack decisions on the MNIST test set
#   sanitize  compute-sanitizer (memcheck, racecheck) over a part of the tests
#   measure   attacks (small networks also layer by layer), training steps and single kernels
#   certify   after measure: partitions of a training set by DeepPoly and DeepZ (SADDLE_MNIST=DIR: of MNIST's, else of generated digits)
#   baseline  PyTorch's best in the same cases
#   recipe    SADDLE_MNIST=DIR: the small CNN trained by PGD-40 at epsilon .3 for SADDLE_EPOCHS (default 5) epochs
#   table     the ratios
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
part=${1:-all}
folder=${2:-$root/build/cuda}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

architecture() {
    if [ -n "${SADDLE_CUDA_ARCH:-}" ]; then
        echo "$SADDLE_CUDA_ARCH"
    elif command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
        nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d . | sed 's/^90$/90a/'
    else
        echo 90a
    fi
}
compile() { # compile <program> <sources and flags>...
    local name=$1
    shift
    echo "building $name"
    nvcc -std=c++20 --expt-relaxed-constexpr -O3 -DNDEBUG -gencode "arch=compute_$arch,code=sm_$arch" -cudart static \
        -Xcompiler "-march=${SADDLE_MARCH:-x86-64-v3} -static-libstdc++ -static-libgcc" -diag-suppress 1675 \
        -I "$root/include" -I "$root/tests" -I "$root/tests/backend/cuda/device" -I "$root/benchmarks/cuda" \
        -o "$folder/$name" "$@"
}
build() {
    arch=$(architecture)
    compile attacks "$root/benchmarks/cuda/attacks.cu"
    compile training "$root/benchmarks/cuda/training.cu"
    compile kernels "$root/benchmarks/cuda/kernels.cu" -lcublasLt
    compile certification "$root/benchmarks/cuda/certification.cu" "$root/benchmarks/cuda/certification_host.cpp" -l:libpng.a -l:libz.a
    compile robust_training_cuda "$root"/examples/robust_training_cuda.cu -l:libpng.a -l:libz.a
    compile test_device "$root"/tests/backend/cuda/device/*.cu "$root/tests/backend/cuda/device/main.cpp" \
        -l:liblapack.a -l:libopenblas.a -l:libgfortran.a -l:libquadmath.a -l:libpng.a -l:libz.a
}
environment() {
    date -u +"%Y-%m-%d %H:%M UTC"
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader || true
}
run_tests() {
    environment
    timeout 570 "$folder/test_device" || { status=$?; [ $status -eq 77 ] && echo "SKIPPED" || exit $status; }
}
sanitize() {
    for tool in memcheck racecheck; do
        echo "compute-sanitizer --tool $tool"
        timeout 280 compute-sanitizer --tool $tool --error-exitcode 9 "$folder/test_device" "convolutions*on the device agree with the reference,other layers on the device agree with the reference,small networks on the device*,certification on the device*" || echo "$tool: status $?"
    done
}
measure() {
    environment | tee "$folder/environment.txt"
    rm -f "$folder/results.jsonl"
    timeout 180 "$folder/kernels" "$folder/results.jsonl"
    timeout 180 "$folder/attacks" "$folder/results.jsonl"
    timeout 220 "$folder/training" "$folder/results.jsonl"
}
certify() { timeout 590 "$folder/certification" "$folder/results.jsonl" ${SADDLE_MNIST:+"$SADDLE_MNIST"}; }
baseline() {
    rm -f "$folder/baseline.jsonl"
    timeout 590 python3 "$root/benchmarks/cuda/baseline.py" "$folder/baseline.jsonl" --budget "${SADDLE_BASELINE_SECONDS:-540}" \
        ${SADDLE_BASELINE_ONLY:+--only "$SADDLE_BASELINE_ONLY"}
}
recipe() {
    : "${SADDLE_MNIST:?set SADDLE_MNIST to the folder of the MNIST files}"
    timeout 590 "$folder/robust_training_cuda" --data "$SADDLE_MNIST" --network small_cnn --epsilon .3 --steps 40 --step-size .01 \
        --epochs "${SADDLE_EPOCHS:-5}" --output "$folder/recipe" --fresh
}
table() { python3 "$root/benchmarks/cuda/table.py" "$folder/results.jsonl" "$folder/baseline.jsonl" | tee "$folder/table.txt"; }

case $part in
build | sanitize | measure | certify | baseline | recipe | table) "$part" ;;
test) run_tests ;;
all)
    [ -x "$folder/test_device" ] || build
    run_tests
    measure
    certify
    baseline
    table
    ;;
*)
    sed -n '2,13p' "$0"
    exit 2
    ;;
esac
