#!/usr/bin/env bash
# consume.sh cmake|pkgconfig shared|static: builds consumer/ against the installed tree at $PREFIX, runs it, and checks
# what it links. Set by ctest: PREFIX LIBDIR SCRATCH CC CXX CMAKE NM.
set -euo pipefail
how=$1 link=$2
source=$(cd "$(dirname "$0")" && pwd)/consumer
build=$SCRATCH/$how-$link
rm -rf "$build"
mkdir -p "$build/files"

build_with_cmake() {
    local target=mzv
    [ "$link" = static ] && target=mzv_static
    "$CMAKE" -S "$source" -B "$build" -DLINK=$target -DCMAKE_PREFIX_PATH="$PREFIX" \
        -DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX"
    "$CMAKE" --build "$build"
}

build_with_pkgconfig() {
    export PKG_CONFIG_PATH=$LIBDIR/pkgconfig
    local flags
    if [ "$link" = static ]; then # the archive, beside shared system libraries: Debian has no libomp.a for -static
        read -ra flags <<<"$(pkg-config --static --cflags --libs mzv | sed 's/-lmzv\b/-l:libmzv.a/')"
    else
        read -ra flags <<<"$(pkg-config --cflags --libs mzv) -Wl,-rpath,$LIBDIR"
    fi
    for program in client server; do
        "$CC" -std=gnu17 -Wall -Wextra -Werror -o "$build/$program" "$source/$program.c" "${flags[@]}" -lm
        "$CXX" -std=gnu++17 -Wall -Wextra -Werror -o "$build/${program}_cpp" "$source/${program}_cpp.cc" "${flags[@]}" -lm
    done
}

# A statically linked server holds no code that decrypts or makes keys; the client does, so the check can fail.
secrets='mzv_decrypt|mzv_encrypt|mzv_secret_[a-z]+|mzv_public_[a-z]+|mzv_keys_create'
check_secrets() {
    "$NM" "$build/client" >"$build/client.symbols"
    "$NM" "$build/server" >"$build/server.symbols"
    grep -Eq " ($secrets)$" "$build/client.symbols" || { echo "client: no symbol of $secrets"; exit 1; }
    if grep -E " ($secrets)$" "$build/server.symbols"; then echo "server: links secrets"; exit 1; fi
    grep -q " mzv_mul$" "$build/server.symbols" || { echo "server: has no symbols at all"; exit 1; }
}

"build_with_$how"
for suffix in "" _cpp; do
    "$build/client$suffix" "$build/files" "$build/server$suffix"
done
if [ "$link" = static ]; then
    check_secrets
else # and it is the shared library that ran, under its versioned name
    objdump -p "$build/client" >"$build/client.dynamic"
    grep -q 'NEEDED *libmzv\.so\.0$' "$build/client.dynamic"
fi
