# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-3-Clause
# The bench of an agent's channel: what the output of a command in a VM, and copies of files, move in a second. Sourced
# by bench/run.

agent_work=/run/chaos-bench-agent

# Debian's kernel with the agent as its process 1; without its modules there is the channel alone.
make_agent_guest() { # modules: 1 or 0
	local guests
	guests=$(readlink -m "$here/../guests")
	[ -f "$guests/cloud/vmlinuz" ] || fail "there is no guests/: give xenbed run --guests"
	rm -rf $agent_work
	mkdir -p $agent_work/rd/bin $agent_work/rd/tmp
	cp /usr/lib/chaos/linux/agent $agent_work/rd/init
	cp /bin/busybox $agent_work/rd/bin/
	ln -s busybox $agent_work/rd/bin/dd
	[ "$1" = 0 ] || cp -r "$guests/cloud/modules" $agent_work/rd/modules
	(cd $agent_work/rd && find . | cpio -o -H newc --quiet | gzip -1) >$agent_work/rd.gz
	cp "$guests/cloud/vmlinuz" $agent_work/vmlinuz
}

megabytes() { # BYTES COMMAND...: megabytes a second
	local bytes=$1 start rate
	shift
	start=$(date +%s%N)
	"$@" >/dev/null || fail "$*: it failed"
	rate=$((bytes * 1000000 / ($(date +%s%N) - start)))
	printf '%d.%03d' $((rate / 1000)) $((rate % 1000))
}

exec_output() { # KIB
	chaos exec bench dd if=/dev/zero bs=65536 count=$(($1 / 64)) 2>/dev/null | dd of=/dev/null bs=65536 2>/dev/null
}

exec_input() { # KIB
	dd if=/dev/zero bs=65536 count=$(($1 / 64)) 2>/dev/null | chaos exec -i bench dd of=/dev/null bs=65536 2>/dev/null
}

agent_rates() { # prefix of metrics, KIB
	local i out=() in=() to=() from=()
	head -c "$2"K /dev/zero >$agent_work/file
	exec_output 128 >/dev/null # the ring is made
	for ((i = 0; i < (samples < 20 ? 3 : samples / 5); i++)); do
		out+=("$(megabytes $(($2 << 10)) exec_output "$2")")
		in+=("$(megabytes $(($2 << 10)) exec_input "$2")")
		to+=("$(megabytes $(($2 << 10)) chaos cp $agent_work/file bench:/tmp/file)")
		from+=("$(megabytes $(($2 << 10)) chaos cp bench:/tmp/file $agent_work/back)")
	done
	emit agent "$1_exec_output" MB/s "${out[@]}"
	emit agent "$1_exec_input" MB/s "${in[@]}"
	emit agent "$1_cp_to" MB/s "${to[@]}"
	emit agent "$1_cp_from" MB/s "${from[@]}"
}

bench_agent() { # MIB through the ring
	local what name modules kib
	"$bench" fork "$samples"
	for what in channel:0:256 "ring:1:$((${1:-64} * 1024))"; do
		IFS=: read -r name modules kib <<<"$what"
		make_agent_guest "$modules"
		start_chaosd
		chaos create -q -k $agent_work/vmlinuz -r $agent_work/rd.gz -m 384 -t pvh -n bench \
			--set extra="console=hvc0 quiet" --set agent=1
		agent_rates "agent_$name" "$kib"
		chaos destroy bench >/dev/null
		stop_daemons
	done
}
