#!/bin/sh
# libmzv against OpenFHE in one run on one machine: ours, theirs, ours, theirs, ... for every set.
#
#   compare.sh MZV PYTHON RAW [SET] [ROUNDS]
#
# MZV: the built command. PYTHON: CPython 3.10 with bench/peers/requirements.txt. RAW: new file for the JSON
# lines of both, with the load average before each run. SET: n16, n15 or all (default). ROUNDS: default 5. The
# table goes to stdout.
set -eu
export LC_ALL=C

if [ $# -lt 3 ] || [ $# -gt 5 ]; then
    echo "usage: $0 MZV PYTHON RAW [n16|n15|all] [ROUNDS]" >&2
    exit 64
fi
mzv=$1 python=$2 raw=$3 sets=${4:-all} rounds=${5:-5}
here=$(cd "$(dirname "$0")" && pwd)

case $sets in
    all) sets="n15 n16" ;;
    n15 | n16) ;;
    *) echo "compare: found set '$sets', need n16, n15 or all" >&2; exit 64 ;;
esac
case $rounds in
    '' | *[!0-9]* | 0*) echo "compare: found '$rounds' rounds, need 1 or more" >&2; exit 64 ;;
esac
if [ -e "$raw" ]; then
    echo "compare: $raw exists; name a new file" >&2
    exit 64
fi
"$mzv" version > /dev/null
"$python" -c 'import openfhe, numpy' || {
    echo "compare: $python lacks OpenFHE: needs CPython 3.10, then pip install -r $here/requirements.txt" >&2
    exit 64
}

# One line of JSON before each run: what runs next, when, on what, and how busy the machine is.
conditions() {
    cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
    printf '{"next": "%s", "set": "%s", "round": %d, "time": "%s", ' \
        "$1" "$2" "$3" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    printf '"cpu": "%s", "cpus": %d, "load_average": %s}\n' \
        "$cpu" "$(nproc)" "$(cut -d ' ' -f 1 /proc/loadavg)"
}

for set in $sets; do
    round=1
    while [ "$round" -le "$rounds" ]; do
        echo "compare: $set, round $round of $rounds" >&2
        {
            conditions mzv "$set" "$round"
            "$mzv" bench ckks "$set" -o jsonl
            conditions openfhe "$set" "$round"
            "$python" "$here/openfhe_ckks.py" "$set"
        } >> "$raw"
        round=$((round + 1))
    done
done
"$python" "$here/table.py" "$raw"
