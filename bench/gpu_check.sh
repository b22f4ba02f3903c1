#!/usr/bin/env bash
# One command that says whether the CUDA backend works on this machine's GPU, and how fast. Builds in a folder of its own,
# runs the tests with the label cuda (byte for byte against the CPU), compute-sanitizer on small sizes where it is
# installed, and the benchmarks; writes gpu_check.json and gpu_check.log. Uses no network and ends within its minutes: a
# step that does not fit is cut off or left out, and the result says so. Exit code 0: every step that ran passed.
#
#   bench/gpu_check.sh [--out DIR] [--build DIR] [--gtest DIR] [--deps DIR] [--arch LIST] [--minutes N] [--stand-in]
#
#   --out DIR     where the results go        [$OUT, or gpu_check]
#   --build DIR   build folder, may be reused [a folder in $TMPDIR, removed at the end]
#   --gtest DIR   GoogleTest's sources        [/usr/src/googletest, or the installed package]
#   --deps DIR    prefix with jansson, xxHash and OpenSSL where the system has none
#   --arch LIST   GPU architectures to build  [native]
#   --minutes N   time for all of it          [9]
#   --stand-in    no GPU: the kernels on the CPU, small sizes, no nvcc; shows that this script runs
set -uo pipefail

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${OUT:-gpu_check} build='' gtest='' deps='' arch=native minutes=9 stand_in=no

die() {
    printf 'gpu_check: %s\n' "$1" >&2
    exit 64
}

while [ $# -gt 0 ]; do
    case $1 in
    --stand-in)
        stand_in=yes
        shift
        continue
        ;;
    --out | --build | --gtest | --deps | --arch | --minutes)
        [ $# -ge 2 ] || die "$1: no value"
        name=${1#--}
        printf -v "$name" '%s' "$2"
        shift 2
        ;;
    *) die "unknown option '$1'; the head of this file lists them" ;;
    esac
done
[[ $minutes =~ ^[1-9][0-9]*$ ]] || die "--minutes: found '$minutes', need a number"

[ ! -x /usr/local/cuda/bin/nvcc ] || export PATH=/usr/local/cuda/bin:$PATH
# cuBLAS is loaded by name.
[ ! -d /usr/local/cuda/lib64 ] || export LD_LIBRARY_PATH=/usr/local/cuda/lib64:${LD_LIBRARY_PATH:-}
if [ -n "$deps" ]; then
    export PKG_CONFIG_PATH=$deps/lib/pkgconfig:$deps/lib64/pkgconfig:$deps/lib/x86_64-linux-gnu/pkgconfig
    export LD_LIBRARY_PATH=$deps/lib:$deps/lib64:$deps/lib/x86_64-linux-gnu:${LD_LIBRARY_PATH:-}
fi
mkdir -p "$out" || die "--out: $out cannot be made"
out=$(cd "$out" && pwd)
log=$out/gpu_check.log
rows=$(mktemp)
own_build=''
if [ -z "$build" ]; then
    build=$(mktemp -d)
    own_build=$build
fi
trap 'rm -rf "$rows" ${own_build:+"$own_build"}' EXIT
: >"$log"

deadline=$((SECONDS + 60 * minutes - 5)) # the last seconds are for writing the result
steps='' failed=0

# Text as a JSON string.
quoted() {
    local text=${1//\\/\\\\}
    printf '"%s"' "$(printf '%s' "${text//\"/\\\"}" | tr -d '\000-\037')"
}

note() { # NAME STATUS SECONDS
    printf '%-22s %-8s %4d s\n' "$1" "$2" "$3" | tee -a "$log"
    steps+="${steps:+, }{\"name\": \"$1\", \"status\": \"$2\", \"wall_s\": $3}"
}

# step NAME SECONDS COMMAND...: runs it for at most so long; what it prints goes to the log.
step() {
    local name=$1 limit=$2 begin=$SECONDS left=$((deadline - SECONDS)) code
    shift 2
    if [ "$left" -lt 5 ]; then
        note "$name" no_time 0
        return 1
    fi
    printf '\n==== %s: %s\n' "$name" "$*" >>"$log"
    timeout --kill-after=5 $((limit < left ? limit : left)) "$@" >>"$log" 2>&1
    code=$?
    case $code in
    0) note "$name" ok $((SECONDS - begin)) ;;
    124 | 137) note "$name" cut_off $((SECONDS - begin)) ;;
    *) note "$name" failed $((SECONDS - begin)) ;;
    esac
    # A benchmark that is cut off leaves the rows it has, a sanitizer what it has found; anything else has to end.
    if [ $code -ne 0 ] && ! { [ $code -eq 124 ] && [[ $name == bench* || $name == sanitizer* ]]; }; then failed=1; fi
    return $code
}

# The same for a benchmark: its rows are part of the result.
bench() {
    local name=$1 limit=$2
    shift 2
    # shellcheck disable=SC2016 # the inner shell expands
    step "$name" "$limit" bash -c 'rows=$1; shift; "$@" -o jsonl | tee -a "$rows"; exit "${PIPESTATUS[0]}"' _ "$rows" "$@"
}

write_result() {
    local commit device
    commit=$(git -C "$source_dir" rev-parse HEAD 2>/dev/null || echo unknown)
    device=$("$mzv" devices -o jsonl 2>/dev/null | head -n 1)
    {
        printf '{"schema": "mzv/gpu_check/1", "commit": %s, "stand_in": %s, "passed": %s, "wall_s": %d,\n' "$(quoted "$commit")" \
            "$([ $stand_in = yes ] && echo true || echo false)" "$([ $failed -eq 0 ] && echo true || echo false)" "$SECONDS"
        printf ' "device": %s,\n "driver": %s,\n "compiler": %s,\n' "${device:-null}" \
            "$(quoted "$(nvidia-smi --query-gpu=driver_version,clocks.max.sm,clocks.max.mem --format=csv,noheader 2>/dev/null | head -n 1)")" \
            "$(quoted "$(nvcc --version 2>/dev/null | tail -n 1)")"
        printf ' "steps": [%s],\n "rows": [\n' "$steps"
        grep '^{.*}$' "$rows" | sed '$!s/$/,/'
        printf ' ]}\n'
    } >"$out/gpu_check.json.new" && mv "$out/gpu_check.json.new" "$out/gpu_check.json"
    printf 'result: %s\nlog:    %s\n' "$out/gpu_check.json" "$log"
    exit $failed
}

options=(-DCMAKE_BUILD_TYPE=Release)
[ -n "$gtest" ] || { [ ! -f /usr/src/googletest/CMakeLists.txt ] || gtest=/usr/src/googletest; }
[ -z "$gtest" ] || options+=("-DMZV_GTEST_SOURCES=$gtest")
if [ $stand_in = yes ]; then
    options+=(-DMZV_CUDA=OFF)
    targets=(mzv_stand_in mzv_test_cuda_on_cpu mzv_test_cuda_scheme_on_cpu)
    label='^cuda_on_cpu$' mzv=$build/tests/cuda_scheme/mzv_stand_in
else
    options+=("-DCMAKE_CUDA_ARCHITECTURES=$arch")
    targets=(mzv_cli mzv_test_cuda mzv_test_cuda_scheme)
    label='^cuda$' mzv=$build/mzv
fi

step configure 60 cmake -S "$source_dir" -B "$build" -G Ninja "${options[@]}" || write_result
step build $((60 * minutes - 150)) cmake --build "$build" --target "${targets[@]}" || write_result
step devices 30 "$mzv" devices || write_result
step doctor 30 "$mzv" doctor --backend cuda
step tests 180 ctest --test-dir "$build" -L "$label" -j 4 --output-on-failure --no-tests=error

if [ $stand_in = yes ] || ! command -v compute-sanitizer >/dev/null; then
    note sanitizer absent 0
else
    for tool in memcheck racecheck initcheck synccheck; do
        step "sanitizer_$tool" 40 compute-sanitizer --tool $tool --error-exitcode 9 "$mzv" bench ops toy key_switch --backend cuda
    done
    step sanitizer_tests 60 compute-sanitizer --error-exitcode 9 "$build/tests/cuda_on_cpu/mzv_test_cuda" \
        --gtest_filter='*Matmul*:*Graph*:*Pointwise*:*Products*'
fi

if [ $stand_in = yes ]; then
    bench bench_ops_toy 60 "$mzv" bench ops toy '' --backend cuda
else
    bench bench_ops_n16 60 "$mzv" bench ops n16 '' --backend cuda
    bench bench_ops_n15 40 "$mzv" bench ops n15 '' --backend cuda
    bench bench_boot 180 "$mzv" bench circuit --set n16-boot --only boot --backend cuda
    bench bench_boot_recorded 100 "$mzv" bench circuit --set n16-boot --only 'bootstrap full' --record --backend cuda
    bench bench_circuits 120 "$mzv" bench circuit --set n15-leveled --backend cuda
fi
write_result
