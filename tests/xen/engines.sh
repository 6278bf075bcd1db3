# SPDX-License-Identifier: BSD-3-Clause
# Shared by the tests of container engines. What docs/engines.md says is what is run.
[ -d /etc/containers ] || skip "needs xenbed run --engines"
STATES=/run/chaos-oci # folders that have nothing in them when there are no containers
DOC=$LIB/../../docs/engines.md

# The block of docs/engines.md that has this name behind its language
block() {
	awk -v name="$1" '/^```/ { on = $2 == name; next } on' "$DOC" | grep . || fail "docs/engines.md has no block $1"
}

file_of_block() { # PATH
	mkdir -p "$(dirname "$1")"
	block "$1" >"$1"
}

run_block() {
	block "$1" >block.sh
	bash -e block.sh
}

# exit status and output of a command: $code, $out
try() {
	code=0
	out=$("$@" 2>&1 </dev/null) || code=$?
}

# as has, without a failure
shows() { # TEXT PART
	case $1 in
	*"$2"*) ;;
	*) return 1 ;;
	esac
}

# How long what came before took, for the log
step() {
	echo "$SECONDS s: $*"
}

no_vms() {
	[ -z "$(chaos list --all --own --quiet)" ]
}

nothing_left() {
	until_true 10 no_vms || fail "VMs are left over: $(chaos list --all --own)"
	no_domains || until_true 10 no_domains
	eq "$(find $STATES -mindepth 1 2>/dev/null || :)" "" "files of containers"
	eq "$(pidof chaos-oci || :)" "" "monitors"
}

image_of() { # GUEST: its tar
	mkdir -p "$1/.chaos"
	cp "$G/$1" "$1/.chaos/kernel"
	tar -C "$1" -cf "$1.tar" .chaos
}
