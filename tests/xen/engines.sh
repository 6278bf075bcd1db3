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
	eq "$(find /run/chaos-exec -mindepth 1 2>/dev/null || :)" "" "what holds channels of VMs"
}

image_of() { # GUEST: its tar
	mkdir -p "$1/.chaos"
	cp "$G/$1" "$1/.chaos/kernel"
	tar -C "$1" -cf "$1.tar" .chaos
}

# --- Linux: with the kernel of xenbed run --guests ---
DOM0=/proc/1/root # what is outside of the engines' root
FROM=$DOM0$GUESTS
BUSYBOX=$DOM0$(chroot $DOM0 /bin/sh -c 'readlink -f "$(command -v busybox)"')
LINUX=/usr/lib/chaos/linux

drop_kernel() { rm -rf $LINUX/vmlinuz $LINUX/modules; }

linux_kernel() {
	cp "$FROM/cloud/vmlinuz" $LINUX/vmlinuz
	(cd "$(mktemp -d)" && "$BUSYBOX" cpio -idm <"$FROM/initrd" 2>/dev/null && mv "modules/$(cat "$FROM/cloud/release")" $LINUX/modules)
}

# An engine's exec on a terminal (COMMAND... is all but the words in the container): the terminal in the VM has the
# size of the one here and is typed on; the exit code comes back.
exec_on_terminal() { # COMMAND...
	local keys code=0 typist
	mkfifo keys
	script -qec "stty rows 31 cols 97; $* sh -c 'n=0; until [ \"\$(busybox stty size)\" = \"31 97\" ] || [ \$n = 60 ]; do n=\$((n + 1)); sleep 1; done
		tty; busybox stty size; echo ask\$n; read -r line; echo \"got-\$line\"; exit 5'" /dev/null <keys >screen 2>&1 &
	typist=$!
	exec {keys}>keys
	until_true 20 grep -q 'ask[0-9]' screen || fail "nothing came on the terminal: $(cat screen)"
	printf 'typed\r' >&"$keys"
	until_true 20 grep -q got-typed screen || fail "what was typed did not come: $(cat screen)"
	wait $typist || code=$?
	exec {keys}>&-
	rm keys
	has "$(cat screen)" "31 97"
	has "$(cat screen)" /dev/pts/
	eq $code 5 "exit code on a terminal: $(cat screen)"
}

# bb.tar: a root with busybox, and a page for its httpd
busybox_image() {
	mkdir -p bb/bin bb/etc bb/www bb/proc bb/sys bb/dev bb/tmp
	cp "$BUSYBOX" bb/bin/busybox
	for name in sh httpd cat ip sleep tty hostname wget kill ls nslookup; do ln -s busybox bb/bin/$name; done
	echo "served by a VM" >bb/www/index.html
	echo root:x:0:0:root:/:/bin/sh >bb/etc/passwd
	tar -C bb -cf bb.tar .
}
