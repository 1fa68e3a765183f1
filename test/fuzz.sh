#!/bin/sh
# Runs `go test -fuzz` with the arguments given, and once more if Go's fuzzer ended by its own
# deadline: at the end of -fuzztime it sometimes reports "context deadline exceeded" as a
# failure, without an input that failed. A failure with an input is never tried again.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for try in 1 2; do
	if "$@" >"$log" 2>&1; then
		cat "$log"
		exit 0
	fi
	cat "$log"
	grep -q 'Failing input written' "$log" && exit 1
	grep -q '^    context deadline exceeded$' "$log" || exit 1
	echo "== the fuzzer's own deadline, no input failed (try $try)"
done
exit 1
