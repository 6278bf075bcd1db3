#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/xen/run: a test that does not run is no test that passed.
set -uo pipefail
run=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

cp "$run" "$work/run"
echo 'bash "$1"' >"$work/lib.sh"
printf '# modes: own\n# timeout: 20\ntrue\n' >"$work/good.test"
printf '# modes: own beside\nfalse\n' >"$work/bad.test"
printf '# modes: own\necho why; exit 77\n' >"$work/skips.test"
printf 'true\n' >"$work/nomode.test"
printf '# modes: beside\ntrue\n' >"$work/other.test"

# What ends the daemons of a failed test in dom0 must not end those of this machine.
mkdir "$work/bin"
printf '#!/bin/sh\necho "ended: $*"\n' >"$work/bin/pkill"
chmod +x "$work/bin/pkill"
export PATH=$work/bin:$PATH

expect() { # status, part, arguments...
	local want=$1 part=$2 out code=0
	shift 2
	out=$(bash "$work/run" "$@" 2>&1 </dev/null) || code=$?
	if [ "$code" != "$want" ] || [[ $out != *"$part"* ]]; then
		echo "FAILED: run $*: status $code instead of $want, or no \"$part\" in: $out"
		status=1
	fi
}

expect 0 "PASS good" own good
expect 0 "PASS good" good
expect 0 "SKIP skips why" own skips
expect 1 "FAIL bad" own good bad
expect 1 "PASS good" own good bad
expect 1 "ended: -9 -x chaosd" own good bad
expect 1 "FAIL good" beside good
expect 1 "good.test has the modes: own" beside good
expect 1 "FAIL nomode" own nomode
expect 1 "FAIL missing" own missing
expect 1 "FAIL good" beside other good
expect 1 "PASS other" beside other good
rm "$work/bad.test" "$work/nomode.test"
expect 0 "PASS other" beside
expect 0 "PASS good" own
rm "$work/other.test"
expect 1 "FAIL: no test runs beside" beside
exit $status
