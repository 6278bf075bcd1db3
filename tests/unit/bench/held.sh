#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# bench/held: limits that are held, exceeded, and not measured.
set -uo pipefail
held=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

line() { # metric, unit, median, max
	echo "{\"bench\":\"b\",\"metric\":\"$1\",\"unit\":\"$2\",\"n\":3,\"min\":1.0,\"median\":$3,\"p99\":$4,\"max\":$4}"
}

expect() { # status, part...
	local want=$1 part out code=0
	shift
	out=$("$held" -l "$work/limits" "$work/figures" 2>&1) || code=$?
	[ "$code" = "$want" ] || {
		echo "FAILED: status $code instead of $want: $out"
		status=1
	}
	for part; do
		[[ $out == *"$part"* ]] || {
			echo "FAILED: no \"$part\" in: $out"
			status=1
		}
	done
}

{
	line fork_exec us 1000.0 1100.0
	line create us 100.0 400.0
	line churn 1/s 500.0 500.0
	echo '{"bench":"series","metric":"create","unit":"us","vms":20,"n":20,"min":1,"median":900.0,"max":900.0}'
} >"$work/figures"

printf '%s\n' '# a comment' '' 'create median <= 103 us # another' 'create max <= 0.5 fork_exec' \
	'churn median >= 485 1/s' >"$work/limits"
expect 0 "PASS create median: 100 us" "PASS create max: 0.4 fork_exec" "PASS churn median: 500 1/s"

echo 'create median <= 99 us' >"$work/limits"
expect 1 "FAIL create median: 100 us, limit <= 99 us"
echo 'create max <= 0.39 fork_exec' >"$work/limits"
expect 1 "FAIL create max: 0.4 fork_exec, limit <= 0.39 fork_exec"
echo 'churn median >= 501 1/s' >"$work/limits"
expect 1 "FAIL churn median: 500 1/s, limit >= 501 1/s"

# one metric of two exceeded; one that was never measured; a unit that is another one
printf '%s\n' 'create median <= 103 us' 'destroy median <= 1 us' 'churn median >= 1 us' >"$work/limits"
expect 1 "PASS create" "FAIL destroy median: not measured" "FAIL churn median: measured in 1/s"

# the worst of two runs counts
{
	line fork_exec us 500.0 500.0
	line create us 110.0 120.0
} >>"$work/figures"
echo 'create median <= 103 us' >"$work/limits"
expect 1 "FAIL create median: 110 us"
echo 'create median <= 0.2 fork_exec' >"$work/limits"
expect 1 "FAIL create median: 0.22 fork_exec" # of the run's own yardstick

: >"$work/limits"
expect 2 "no limits"
echo 'create median 103 us' >"$work/limits"
expect 2 "limits:1: not of the form"
echo 'create mean <= 103 us' >"$work/limits"
expect 2 "\"mean <=\": use one of"
echo 'create median <= 103 us' >"$work/limits"
echo 'noise' >>"$work/figures"
expect 2 "not a JSON line"
: >"$work/figures"
expect 1 "FAIL create median: not measured"
"$held" "$work/figures" | grep -q '^PASS' && { # the limits beside it are read without -l
	echo "FAILED: limits without figures are held"
	status=1
}
exit $status
