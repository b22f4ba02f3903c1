#!/bin/sh
# Bootstrapping of full slots at N = 2^16, libmzv and OpenFHE in turn in one run on one machine.
#
#   boot.sh MZV PYTHON RAW [REPS]
#
# MZV: the built command. PYTHON: CPython 3.10 with bench/peers/requirements.txt. RAW: new file for the JSON lines of
# both. REPS: default 5. Needs about 14 GiB for OpenFHE.
set -eu
export LC_ALL=C

if [ $# -lt 3 ] || [ $# -gt 4 ]; then
    echo "usage: $0 MZV PYTHON RAW [REPS]" >&2
    exit 64
fi
mzv=$1 python=$2 raw=$3 reps=${4:-5}
here=$(cd "$(dirname "$0")" && pwd)
if [ -e "$raw" ]; then
    echo "boot: $raw exists; name a new file" >&2
    exit 64
fi
"$mzv" version > /dev/null
"$python" -c 'import openfhe, numpy' || {
    echo "boot: $python lacks OpenFHE: needs CPython 3.10, then pip install -r $here/requirements.txt" >&2
    exit 64
}
for threads in 1 2; do
    printf '{"next": "%s threads", "time": "%s", "load_average": %s}\n' "$threads" \
        "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(cut -d ' ' -f 1 /proc/loadavg)" >> "$raw"
    "$mzv" bench circuit --set n16-boot --only bootstrap --reps "$reps" --threads "$threads" >> "$raw"
    "$python" "$here/openfhe_boot.py" --threads "$threads" --reps "$reps" >> "$raw"
done
cat "$raw"
