#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The programs where there is no Xen and no daemon: one line each, exit 0, 1 or 2.
set -uo pipefail
chaos=$1
chaosd=$2
completion=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CHAOS_SOCKET=$work/none.sock
status=0

expect() { # status, part, command...
	local want=$1 part=$2 out code=0
	shift 2
	out=$("$@" 2>&1 </dev/null) || code=$?
	if [ "$code" != "$want" ] || [[ $out != *"$part"* ]]; then
		echo "FAILED: $*: status $code instead of $want, or no \"$part\" in: $out"
		status=1
	fi
}

one_line() {
	expect "$@"
	shift 2
	local lines
	lines=$("$@" 2>&1 >/dev/null </dev/null | wc -l)
	[ "$lines" = 1 ] || {
		echo "FAILED: $*: $lines lines on stderr"
		status=1
	}
}

expect 0 "usage: chaos" "$chaos" --help
expect 0 "usage: chaos" "$chaos" help
expect 0 "usage: chaos create" "$chaos" help create
expect 0 "chaos " "$chaos" --version
expect 2 "usage: chaos" "$chaos"
one_line 2 'no command "x"' "$chaos" x
one_line 2 'name a VM' "$chaos" destroy
one_line 2 '"--paused" is unknown' "$chaos" list --paused
one_line 2 '"--kernel" needs a value' "$chaos" create --kernel
one_line 2 'give a number of seconds' "$chaos" wait --timeout soon x
one_line 1 "chaosd is not running" "$chaos" list
one_line 1 "chaosd is not running" "$chaos" create --kernel /bin/true -m 4
CHAOS_SOCKET=$(printf '%0200d' 0) one_line 1 "too long" "$chaos" list
one_line 2 'a host or one of' "$chaos" migrate web
one_line 2 'a host or one of' "$chaos" migrate --tcp 192.0.2.1:7000 web host
one_line 2 'a host or one of' "$chaos" migrate --tcp 192.0.2.1:7000 --command cat web
one_line 2 'is not the name of a host' "$chaos" migrate -- web -oProxyCommand=x
one_line 2 'give 1 to' "$chaos" migrate --timeout 0 web host
one_line 2 'needs a host' "$chaos" migrate --disk keep --command cat web
one_line 2 'not one of' "$chaos" migrate --disk all web host
one_line 1 "chaosd is not running" "$chaos" migrate web host
one_line 2 'unexpected argument' "$chaos" migrate-receive host
one_line 2 'needs --listen' "$chaos" migrate-receive --json
# the socket of a receive that was killed is taken over; one that lives is left alone
listening() {
	for ((i = 0; i < 500; i++)); do
		[ -S "$work/receive" ] && return
		sleep 0.01
	done
	echo "FAILED: migrate-receive does not listen"
	status=1
}
"$chaos" migrate-receive --listen "$work/receive" </dev/null >/dev/null 2>&1 & receive=$!
listening
one_line 1 'already in use' "$chaos" migrate-receive --listen "$work/receive"
kill -9 $receive && { wait $receive || true; } 2>/dev/null
rc=0
timeout 1 "$chaos" migrate-receive --listen "$work/receive" </dev/null >/dev/null 2>&1 || rc=$?
[ $rc = 124 ] || { echo "FAILED: a socket of a killed migrate-receive stays"; status=1; }
one_line 2 'only choice' "$chaos" wake --disk none web
for where in 192.0.2.1 192.0.2.1:0 192.0.2.1:65536 192.0.2.1:x host:7000 '[::1]' '[::1:7000' ':7000' ''; do
	expect 1 'give an address in numbers' "$chaos" migrate-receive --listen "$where"
done
one_line 1 "$work/no/socket: No such" "$chaos" migrate-receive --listen "$work/no/socket"
out=$("$chaos" migrate-receive </dev/null | tr -d '\0')
[ -z "$out" ] || { # its source is gone, and nobody hears a reason
	[[ $out == chaosMIG*"the other side closed the connection"* ]] || { echo "FAILED: migrate-receive without a source: $out"; status=1; }
}
out=$(echo hello, this is another program | "$chaos" migrate-receive | tr -d '\0')
[[ $out == chaosMIG*"is not chaos"* ]] || { echo "FAILED: migrate-receive of another program: $out"; status=1; }
expect 0 "usage: chaosd" "$chaosd" --help
expect 0 'store = "auto"' "$chaosd" --config /dev/null --show-config
one_line 2 'unexpected argument' "$chaosd" stray
one_line 2 'store "x"' "$chaosd" --store x
one_line 1 'settings' "$chaosd" --config "$work/missing.conf"
[ -e /proc/xen/capabilities ] ||
	one_line 1 "not a Xen host" "$chaosd" --config /dev/null --set "run_dir=$work/run" \
		--set "console_log_dir=$work/log" --set "cache_dir=$work/cache" --set "image_dir=$work/images"

complete_words() { # WORDS WORD...: what the last WORD can become has all of WORDS
	local want=$1 got
	shift
	got=$(PATH=$(dirname "$chaos"):$PATH bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _chaos 2>/dev/null
		echo " ${COMPREPLY[*]} "' "$completion" chaos "$@")
	for word in $want; do
		[[ $got == *" $word "* ]] || {
			echo "FAILED: completion of \"chaos $*\": no \"$word\" in: $got"
			status=1
		}
	done
}
complete_words "create network-attach version help" ""
complete_words "pause pool" p
complete_words "--vif --vcpus" create --v
complete_words keep wake --disk ""
complete_words "pv pvh" create --type ""
complete_words set pool ""
complete_words "type= memory= vcpus= count= low= high= for= image= ramdisk= vifs= vbds= bridge= backend=" pool set ""
complete_words "pause pool" help p
exit $status
