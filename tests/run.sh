#!/usr/bin/env bash
# Builds Mezzavoce with its tests and runs them, from a clean clone on Debian 12; installs packages that are missing.
#
#   bash tests/run.sh                 Release in build/, every test
#   bash tests/run.sh --sanitize      address and undefined-behaviour sanitizers in build-asan/, without the label slow
#   bash tests/run.sh --clang         clang, CPU only, in build-clang/, without the label slow
#   ... --build-only                  no tests
#
# Ends with ctest's summary; exit code 0 if everything passed. Real checkpoints are looked for in $MZV_SHARED, else in
# ../shared; with CI=true a test that skips for want of them is a failure. MZV_JOBS: parallel jobs, default all cores.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=${MZV_JOBS:-$(nproc)}

say() { echo "run.sh: $*"; }

usage() {
    sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 64
}

kind=release build_only=no
for option in "$@"; do
    case $option in
    --sanitize) kind=sanitize ;;
    --clang) kind=clang ;;
    --build-only) build_only=yes ;;
    *) usage ;;
    esac
done

# The missing ones of: command or header, package.
missing_packages() {
    local file package
    while read -r file package; do
        case $file in
        /*) compgen -G "$file" >/dev/null || echo "$package" ;;
        *) command -v "$file" >/dev/null 2>&1 || echo "$package" ;;
        esac
    done
}

install_packages() {
    local missing as_root=()
    missing=$({
        cat <<'END'
cmake cmake
ninja ninja-build
gcc gcc
g++ g++
nm binutils
pkg-config pkg-config
python3 python3
/usr/include/jansson.h libjansson-dev
/usr/include/xxhash.h libxxhash-dev
/usr/include/openssl/evp.h libssl-dev
/usr/include/gtest/gtest.h libgtest-dev
/usr/include/simde/x86/avx512.h libsimde-dev
END
        if [ "$kind" = clang ]; then
            echo "clang clang"
            echo "/usr/lib/llvm-*/lib/libomp.so libomp-dev"
        fi
    } | missing_packages)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 ||
            { say "not installed: ${missing//$'\n'/ }; neither root nor sudo here"; exit 1; }
        as_root=(sudo)
    fi
    say "installing ${missing//$'\n'/ }"
    "${as_root[@]}" apt-get update -q
    # shellcheck disable=SC2086 # the list is meant to be split
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}

configure() {
    local options=(-DMZV_TESTS=ON -DMZV_WERROR=ON)
    case $kind in
    release) build=$root/build options+=(-DCMAKE_BUILD_TYPE=Release -DMZV_CUDA=ON) ;; # where nvcc is
    sanitize)
        build=$root/build-asan
        options+=(-DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g1" -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1"
            -DMZV_SANITIZE=ON -DMZV_VERIFY=ON -DMZV_CUDA=OFF)
        ;;
    clang)
        build=$root/build-clang
        options+=(-DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DMZV_CUDA=OFF)
        ;;
    esac
    # A build directory keeps its generator.
    [ -e "$build/CMakeCache.txt" ] || options+=(-G Ninja)
    cmake -S "$root" -B "$build" "${options[@]}"
}

# Fails if the report of ctest names a test that skipped for want of the shared checkpoints.
refuse_skipped() {
    python3 - "$1" <<'END'
import sys
import xml.etree.ElementTree as tree

skipped = [case for case in tree.parse(sys.argv[1]).iter("testcase") if case.find("skipped") is not None]
absent = [case.get("name") for case in skipped if "MZV_SHARED" in (case.findtext("system-out") or "")]
for name in absent:
    print(f"run.sh: {name} skipped for want of $MZV_SHARED; with CI=true that is a failure")
sys.exit(1 if absent else 0)
END
}

run_tests() {
    local status=0 labels=() log=$build/ctest.log
    [ "$kind" = release ] || labels=(-LE slow)
    # Tests share the cores: threads that wait must not spin.
    OMP_WAIT_POLICY=passive ctest --test-dir "$build" --output-on-failure -j "$jobs" "${labels[@]}" \
        --output-junit "$build/ctest.xml" 2>&1 | tee "$log" || status=1
    if [ "${CI:-}" = true ]; then refuse_skipped "$build/ctest.xml" || status=1; fi
    grep -E '^[0-9]+% tests passed' "$log" || status=1 # no tests at all is a failure too
    return $status
}

install_packages
configure
cmake --build "$build" --parallel "$jobs"
if [ "$build_only" = yes ]; then
    say "built in $build"
else
    run_tests
fi
