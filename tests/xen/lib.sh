# SPDX-License-Identifier: BSD-3-Clause
# The frame of a test in dom0: `bash lib.sh FILE` starts chaosd, runs FILE, and looks for left-overs.
set -Eeuo pipefail
trap 'echo "FAILED at line $LINENO of ${BASH_SOURCE[0]##*/}: $BASH_COMMAND"' ERR
if [ -n "${TRACE:-}" ]; then # a file of tests/xen/run, which shows its end when the test fails
	exec {BASH_XTRACEFD}>"$TRACE"
	PS4='+ $SECONDS s: ${BASH_SOURCE##*/}:$LINENO: '
	set -x
fi

G=/usr/lib/chaos/guests
T=/usr/lib/chaos/tests
GUESTS=$(readlink -m "$LIB/../../guests") # of xenbed run --guests
KERNEL=$(find /boot -name 'vmlinuz-*' | head -1)
DAEMON_LOG=$PWD/chaosd.log
daemon=
export CHAOS_SOCKET=/run/chaos/chaosd.sock

fail() {
	local i=0 # the first frame that is not of this file
	while [ "${BASH_SOURCE[i + 1]##*/}" = lib.sh ] && [ $((i + 2)) -lt ${#BASH_SOURCE[@]} ]; do i=$((i + 1)); done
	echo "FAILED at line ${BASH_LINENO[i]} of ${BASH_SOURCE[i + 1]##*/}: $*"
	if [ -f "$DAEMON_LOG" ]; then
		echo "chaosd said:"
		tail -15 "$DAEMON_LOG"
	fi
	exit 1
}

skip() {
	if [ -n "${daemon:-}" ]; then
		kill "$daemon" 2>/dev/null || :
		wait "$daemon" || :
	fi
	echo "$*"
	exit 77
}

# eq GOT WANTED WHAT
eq() {
	[ "$1" = "$2" ] || fail "${3:-value}: got \"$1\", wanted \"$2\""
}

# has TEXT PART
has() {
	case $1 in
	*"$2"*) ;;
	*) fail "\"$2\" is not in: $1" ;;
	esac
}

# A moment, without a process that takes a CPU from what is waited for: nothing ever comes on that pipe.
mkfifo silence
exec {silence}<>silence
rm silence
rest() {
	read -rt "${1:-0.1}" -u "$silence" || true
}

# until_true SECONDS COMMAND...: waits for it to become true; six times as long, since the testbed's host may get a
# fraction of a CPU
until_true() {
	local end=$((SECONDS + $1 * 6))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		rest
	done
}

# lost_pings FILE: of what ping sent before the last one that was answered, how many were not; those after it may have
# been under way when ping was ended. At least 10 were answered, else it says "few"
lost_pings() {
	awk -F'seq=' '/bytes from.*seq=/ { n++; if ($2 + 0 > last) last = $2 + 0 }
		END { print n < 10 ? "few" : last + 1 - n }' "$1"
}

# refused STATUS PART COMMAND...: the command ends with STATUS and one line that has PART
refused() {
	local want=$1 part=$2 out code=0
	shift 2
	out=$("$@" 2>&1 >/dev/null) || code=$?
	eq "$code" "$want" "exit status of: $*"
	has "$out" "$part"
	eq "$(printf '%s\n' "$out" | wc -l)" 1 "number of lines of: $*: $out"
}

need_guests() {
	[ -d "$GUESTS/amd64" ] || skip "needs xenbed run --guests"
}

start_chaosd() {
	chaosd --store="$MODE" "$@" >>"$DAEMON_LOG" 2>&1 &
	daemon=$!
	"$T/ask" up 120 || fail "chaosd did not come up"
}

answers() {
	chaos version >/dev/null 2>&1
}

stop_chaosd() {
	kill "$daemon" 2>/dev/null || fail "chaosd was gone already"
	wait "$daemon" || fail "chaosd ended with status $?"
	daemon=
}

kill_chaosd() {
	kill -9 "$daemon"
	wait "$daemon" 2>/dev/null || true
	daemon=
}

field() { # VM KEY
	"$T/ask" field "$1" "$2"
}

said() { # VM PART [TIMES]
	"$T/ask" says "$1" "$2" "${3:-1}" 0
}

guest_says() { # VM PART [TIMES [SECONDS]]: waits for it on the console
	"$T/ask" says "$1" "$2" "${3:-1}" "${4:-400}" ||
		fail "\"$2\" is not on the console of $1, which ends: $(chaos console --log "$1" | tail -5)"
}

agent_answers() { # VM: its Linux has booted, which may take longer than "chaos exec" waits
	answers_once() { chaos exec "$1" echo >/dev/null 2>&1; }
	until_true 60 answers_once "$1" || fail "the agent of $1 does not answer: $(chaos exec "$1" echo 2>&1)"
}

types() { # VM TEXT: on its console
	local text
	printf -v text '%b' "$2"
	"$T/ask" types "$1" "$text" || true
}

# echoes VM TEXT: `chaos console` sends the line and is ended once it has come back; what came is in the file out
echoes() {
	local keys pid
	rm -f keys out
	mkfifo keys
	chaos console "$1" <keys >out &
	pid=$!
	exec {keys}>keys
	printf '%s\r' "$2" >&"$keys"
	until_true 20 grep -q "$2" out || fail "\"$2\" does not come back from $1: $(cat out)"
	exec {keys}>&-
	kill $pid
	wait $pid || true
}

state_is() { # VM STATE
	"$T/ask" is "$1" state "$2" 0
}

becomes() { # VM KEY VALUE: waits for it
	"$T/ask" is "$1" "$2" "$3" 180
}

shells_are() { # N: waits until so many are ready
	"$T/ask" shells "$1" 360
}

connects() { # VM N: waits until so many of its devices are connected
	"$T/ask" devices "$1" "$2" 180
}

# how many domains Xen has, but dom0
domains() {
	"$T/ask" domains
}

no_domains() { # Xen has none beside dom0, not even one that is dying
	[ "$("$T/xenfree" domains)" = 0 ]
}

daemon_fds() {
	find /proc/"$daemon"/fd -mindepth 1 | wc -l
}

# Handles of Xen; two more of ten files each stay for further saves and restores, and one for grants, of the first console
# that a guest grants.
daemon_handles() {
	# shellcheck disable=SC2010
	ls -l /proc/"$daemon"/fd | grep -c ' /dev/xen/' || true
}

# Of guests: 2 MiB that are only read are a piece of Xen's table of machine frames, which handles for saves keep.
daemon_maps() {
	{ grep 'xen/privcmd' /proc/"$daemon"/maps || true; } | while read -r range rights _; do
		[ "$rights" = r--s ] && [ $((0x${range#*-} - 0x${range%-*})) -eq $((2 << 20)) ] || echo "$range"
	done | wc -l
}

free_pages() {
	"$T/xenfree"
}

daemon_ports() {
	# but for those that wait for a domain: chaosd keeps them
	echo $(($(grep -c 'evtchn:chaosd' /proc/interrupts || true) - $(chaos host --json | jq .slots)))
}

# what backends have in dom0: their interfaces, their kernel devices, files behind loop devices
backends() {
	find /sys/class/net -name 'vif*'
	find /sys/bus/xen-backend/devices -mindepth 1 2>/dev/null || true
	losetup -a 2>/dev/null || true
}

# nodes of domains but dom0, in the store that dom0's kernel reads
store_nodes() {
	local kind
	xenstore-list /local/domain 2>/dev/null | grep -vx 0 || true
	for kind in vif vbd; do
		xenstore-list /local/domain/0/backend/$kind 2>/dev/null || true
	done
	xenstore-list /vm 2>/dev/null || true
	xenstore-list /libxl 2>/dev/null || true
}

living() { # the domain ids of VMs
	chaos list --own --json | jq -r '.[] | select(.domid != null and .domid > 0) | .domid' | sort -n
}

only_of() { # IDS: names like vif-7-0 on standard input are of no other domains
	grep -E '^(vif|vbd)-' | cut -d- -f2 | sort -un | grep -vxF "$1" | grep -q . && return 1
	return 0
}

in_order() { # Xen, the kernel and the store have what VMs have, and nothing else
	local ids
	ids=$(living)
	[ "$("$T/xenfree" domains)" = "$(grep -c . <<<"$ids")" ] || return 1
	ls /sys/bus/xen-backend/devices | only_of "$ids" || return 1
	store_nodes | grep -vxF "$ids"$'\n'"$(chaos list --own --json | jq -r '.[].uuid')" | grep -q . && return 1
	return 0
}

log_files() {
	find /var/log/chaos -type f | wc -l
}

file=$1
if [ -d /run/chaos/registry ]; then # what a test before this one left when it failed
	"$T/xenfree" pause >/dev/null || true
	start_chaosd
	for vm in $(chaos list --own --quiet); do chaos destroy "$vm" >/dev/null || true; done
	until_true 20 no_domains || true
	chaos snapshots --json | jq -r '.[].name' | xargs -r chaos snapshot rm >/dev/null || true
	stop_chaosd
fi
pkill -x chaos-backend && until_true 10 eval '! pidof chaos-backend >/dev/null'
for bridge in $(ip -o link show type bridge | awk -F': ' '{ print $2 }'); do
	ip link del "$bridge" # of the test before
done
rm -rf /var/log/chaos /var/cache/chaos/tmp
# but for the store: what dom0's kernel watches is known nowhere else
[ ! -d /run/chaos ] || find /run/chaos -mindepth 1 -maxdepth 1 ! -name store -exec rm -rf {} +
if [ ! -e /run/warmed-up ]; then # once a boot: dom0's grant table grows for chaos-backend's buffers
	"$T/backtest" /run/warm-up.sock >/dev/null 2>&1 || true
	pkill -x chaos-backend || true
	until_true 10 eval '! pidof chaos-backend >/dev/null'
	rm -f /run/warm-up.sock
	touch /run/warmed-up
fi
start_chaosd
chaos run "$G/hello" -m 256K --rm >/dev/null # warms up: caches, first allocations
until_true 10 no_domains
until_true 5 eval '[ "$(xenstore-list /local/domain 2>/dev/null || echo 0)" = 0 ]' || true # ... and its name
fds=$(daemon_fds)
handles=$(daemon_handles)
maps=$(daemon_maps)
memory=$(free_pages)
ports=$(daemon_ports)
devices=$(backends)
nodes=$(store_nodes)
# shellcheck disable=SC1090
. "$file"

# Whatever the test did: once its VMs are destroyed, nothing is held.
[ -n "$daemon" ] || start_chaosd
chaos list --own --quiet | while read -r vm; do chaos destroy "$vm" >/dev/null; done
until_true 20 no_domains || fail "domains are left over: $(chaos list)"
for vm in $(chaos list --all --own --json | jq -r '.[].uuid'); do chaos rm "$vm" >/dev/null; done
until_true 5 eval '[ $(($(daemon_fds) - $(daemon_handles))) -le '$((fds - handles))' ] && [ "$(daemon_handles)" -le '$((handles + 21))' ]' ||
	fail "files left open: $(daemon_fds), $fds before: $(ls -l /proc/"$daemon"/fd)"
eq "$(daemon_maps)" "$maps" "mappings of guests left over"
until_true 5 eval '[ "$(daemon_ports)" -le '"$ports"' ]' || fail "ports left over: $(daemon_ports), $ports before"
eq "$(log_files)" 0 "console logs left over"
until_true 20 eval '[ "$(free_pages)" -ge '$((memory - 16))' ]' ||
	fail "memory left over: $(free_pages) pages free, $memory before"
until_true 20 eval '[ "$(backends)" = "$devices" ]' ||
	fail "devices left over: $(backends), before: $devices"
until_true 5 eval '[ "$(store_nodes)" = "$nodes" ]' ||
	fail "nodes left over in the store: $(store_nodes), before: $nodes"
stop_chaosd
