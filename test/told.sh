#!/usr/bin/env bash
# told.sh COMMAND...: runs tests, and says at the end of a failure once more what failed, where CI keeps no more than
# the end of what was printed.
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$@" 2>&1 | tee "$log"
code=${PIPESTATUS[0]}
[ "$code" = 0 ] && exit
printf '\n****** what failed ******\n'
# A failed test with the first lines that it says, and after a timeout the tests that were running.
grep -E -A 6 '^ *--- FAIL|the test hangs|^panic: |^WARNING: DATA RACE' "$log" | cut -c1-300 | tail -n 120
grep '^FAIL[[:space:]]' "$log"
exit "$code"
