#!/bin/sh
# From a clean clone to encrypted text generation, on Debian 12 without a GPU: installs what is missing, builds in
# build-demo/, and lets GPT-2 write with one attention module computed on ciphertexts. Options are handed to
# `mzv generate` (such as -o json, --encrypt h.1.attn, --tokens 8); only the result goes to stdout.
set -eu

cd "$(dirname "$0")/.."

say() { echo "demo: $*" >&2; }

# Commands and headers that the build needs, and the packages that bring them.
missing=""
need_command() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need_header() { [ -e "/usr/include/$1" ] || missing="$missing $2"; }
need_command cmake cmake
need_command make make
need_command gcc gcc
need_command g++ g++
need_command pkg-config pkg-config
need_header jansson.h libjansson-dev
need_header xxhash.h libxxhash-dev
need_header openssl/evp.h libssl-dev

if [ -n "$missing" ]; then
    if [ "$(id -u)" -eq 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null 2>&1; then
        as_root="sudo"
    else
        say "not installed:$missing; neither root nor sudo here: ask for 'apt-get install$missing' and run this again"
        exit 1
    fi
    say "installing:$missing"
    $as_root apt-get update >&2
    # shellcheck disable=SC2086 # the list is meant to be split
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2
fi

say "building in build-demo/"
commit=$(git rev-parse --short HEAD 2>/dev/null || true)
cuda=OFF # nvcc without a GPU would only lengthen the build
[ ! -e /dev/nvidiactl ] || cuda=ON
cmake -S . -B build-demo -DCMAKE_BUILD_TYPE=Release -DMZV_TESTS=OFF -DMZV_CUDA=$cuda -DMZV_COMMIT="$commit" >&2
cmake --build build-demo --target mzv_cli --parallel "$(nproc)" >&2

# The environment gives defaults, so that options given here win.
MZV_MODEL=${MZV_MODEL:-models/gpt2-shakespeare-char}
MZV_ENCRYPT=${MZV_ENCRYPT:-h.0.attn}
MZV_TIMINGS=${MZV_TIMINGS:-1}
export MZV_MODEL MZV_ENCRYPT MZV_TIMINGS
say "mzv generate --model $MZV_MODEL --encrypt $MZV_ENCRYPT --timings $* 'ROMEO:'"
exec build-demo/mzv generate "$@" "ROMEO:"
