#!/bin/sh
# Runs nvcc with its arguments and keeps what ptxas says of registers (-Xptxas -v) beside the object, in
# OBJECT.usage, for .ci/check_registers.py; everything else goes to stderr as it came.
object=
before=
for argument; do
    [ "$before" = -o ] && object=$argument
    before=$argument
done
"$@" 2>"$object.usage"
status=$?
grep -vE '^ptxas info  |bytes stack frame,' "$object.usage" >&2
[ $status -eq 0 ] || rm -f "$object.usage"
exit $status
