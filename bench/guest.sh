# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-3-Clause
# The benches with a Linux guest (net, disk, linuxdev): the same guest under chaos, with backends of
# the kernel and in user space, and under xl. Sourced by bench/run.

tools=/usr/lib/chaos/tests
work=/tmp/chaos-bench-guest
dom0_ip=10.99.0.1
guest_ip=10.99.0.2
report_port=5002

emit() { # bench, metric, unit, VALUE...: one line of their order statistics
	local bench=$1 metric=$2 unit=$3
	shift 3
	printf '%s\n' "$@" | jq -cs --arg b "$bench" --arg m "$metric" --arg u "$unit" \
		'sort | {bench: $b, metric: $m, unit: $u, n: length, min: .[0], median: .[length / 2 | floor],
		p99: .[length * 99 / 100 | floor], max: .[-1]}'
}

# The kernel, an initramfs that serves and reports, and disks of 64 MiB: a file, a block device.
make_guest() {
	local guests
	guests=$(readlink -m "$here/../guests")
	[ -f "$guests/initrd" ] || fail "there is no guests/: give xenbed run --guests"
	[ ! -d $work ] || return 0
	mkdir -p $work/tree/{bin,dev,proc,sys}
	cp /bin/busybox "$tools/traffic" $work/tree/bin/
	cat >$work/tree/init <<-END
		#!/bin/busybox sh
		b=/bin/busybox
		\$b mount -t proc proc /proc
		\$b mount -t sysfs sysfs /sys
		\$b mount -t devtmpfs devtmpfs /dev
		m=/modules/\$(\$b uname -r)
		for i in \$(\$b cat \$m/order); do \$b insmod \$m/\$i; done
		until [ -d /sys/class/net/eth0 ]; do \$b sleep 0.01; done
		\$b ip addr add $guest_ip/24 dev eth0
		\$b ip link set lo up
		\$b ip link set eth0 up
		until [ -b /dev/xvda ]; do \$b sleep 0.01; done
		echo init | traffic tell $dom0_ip $report_port
		case \$(\$b cat /proc/cmdline) in
		*bench=disk*)
			d=/dev/xvda
			{
				traffic fill \$d 33554432 1048576 1
				traffic check \$d 33554432 1048576 1
				traffic read \$d 33554432 1048576
				traffic read \$d 8388608 4096 random
			} >/disk 2>&1
			traffic tell $dom0_ip $report_port </disk
			;;
		esac
		exec traffic serve 7000
	END
	chmod +x $work/tree/init
	cat "$guests/initrd" >$work/initrd
	(cd $work/tree && find . | cpio -o -H newc --quiet) >>$work/initrd
	cp "$guests/cloud/vmlinuz" $work/vmlinuz
	fallocate -l 64M $work/disk
	fallocate -l 64M $work/blockfile
	ln -s "$(losetup -f --show $work/blockfile)" $work/blockdisk
}

start_side() { # SIDE
	case $1 in
	xl)
		start_xl
		# udev makes it; without, the lock of xl's scripts is waited for without end
		[ -e /dev/stdin ] || ln -s /proc/self/fd/0 /dev/stdin
		;;
	*) start_chaosd ;;
	esac
}

# Creates the guest; its first report comes when its init has network and disk. Sets $init_us.
create_guest() { # SIDE (chaos, user or xl), words for its command line, how many reports come, disk
	local side=$1 words=$2 vif="bridge=benchbr,mac=00:16:3e:99:00:01" start end
	local disk="vdev=xvda,format=raw,access=rw,backendtype=phy" # a loop device, but in user space
	if [ "$side" = user ]; then
		vif+=",userspace=1"
		disk+=",userspace=1"
	fi
	cat >$work/cfg <<-END
		name = "bench"
		type = "$type"
		kernel = "$work/vmlinuz"
		ramdisk = "$work/initrd"
		memory = 128
		extra = "console=hvc0 quiet $words"
		vif = [ "$vif" ]
		disk = [ "$disk,target=$work/${4:-disk}" ]
	END
	"$tools/traffic" hear $report_port "${3:-1}" >$work/heard &
	local hear=$!
	start=${EPOCHREALTIME/./}
	case $side in
	xl) xl create -q $work/cfg >$work/log 2>&1 || fail "xl create: $(cat $work/log)" ;;
	*) chaos create -q $work/cfg >$work/log 2>&1 || fail "chaos create: $(cat $work/log)" ;;
	esac
	created_us=$((${EPOCHREALTIME/./} - start))
	wait $hear || fail "the guest under $side does not report: $(chaos console --log bench 2>/dev/null | tail -5)"
	end=$(head -1 $work/heard)
	init_us=$((end / 1000 - start))
}

destroy_guest() { # SIDE
	case $1 in
	xl) xl destroy bench ;;
	*) chaos destroy bench >/dev/null; chaos rm bench >/dev/null ;;
	esac
	wait_for "the end of the guest's vif" eval '! ls /sys/class/net | grep -q "^vif"'
}

measure_net() { # SIDE
	local i a=() b=() p=()
	sleep 1
	for ((i = 0; i < repeats; i++)); do
		a+=("$("$tools/traffic" recv $guest_ip 7000 $((net_mib << 20)) | awk '{print $4}')")
		b+=("$("$tools/traffic" send $guest_ip 7000 $((net_mib << 20)) | awk '{print $4}')")
		p+=("$("$tools/traffic" ping $guest_ip 7000 200 | awk '{print $4}')")
	done
	emit net "tcp_from_guest_$of_type$1" mbit/s "${a[@]}"
	emit net "tcp_to_guest_$of_type$1" mbit/s "${b[@]}"
	emit net "tcp_round_trip_$of_type$1" us "${p[@]}"
}

bench_net() { # [MiB]
	local side net_mib=${1:-32} repeats=$((samples < 10 ? 1 : 3))
	make_bridge
	make_guest
	"$bench" fork "$samples"
	for side in chaos user xl; do
		start_side $side
		create_guest $side bench=net
		measure_net $side
		destroy_guest $side
	done
	stop_daemons
}

bench_disk() { # [disk or blockdisk]
	local side disk=${1:-disk}
	make_bridge
	make_guest
	"$bench" fork "$samples"
	for side in chaos user xl; do
		start_side $side
		create_guest $side bench=disk 2 "$disk"
		emit disk "${disk}_write_1m_$of_type$side" MB/s "$(awk '/^fill/ {print $5}' $work/heard)"
		emit disk "${disk}_read_1m_$of_type$side" MB/s "$(awk '/^read -/ {print $5}' $work/heard)"
		emit disk "${disk}_read_4k_random_$of_type$side" us "$(awk '/^read random/ {print $7}' $work/heard)"
		destroy_guest $side
	done
	stop_daemons
}

bench_blockdisk() {
	bench_disk blockdisk
}

bench_linuxdev() {
	local side i t r n=$((samples < 10 ? 1 : 3)) first=$((samples < 10 ? 0 : 1))
	make_bridge
	make_guest
	"$bench" fork "$samples"
	for side in chaos xl; do
		start_side $side
		t=()
		r=()
		for ((i = 0; i < n + first; i++)); do
			create_guest $side bench=boot
			[ $i -lt "$first" ] || { t+=("$init_us"); r+=("$created_us"); }
			destroy_guest $side
		done
		emit linuxdev "linux_128m_init_$of_type$side" us "${t[@]}"
		emit linuxdev "linux_128m_created_$of_type$side" us "${r[@]}"
	done
	stop_daemons
}

beats() { # VM: what its churn has said of holes in its clock so far, a line each
	chaos console --log "$1" | tr -d '\r' | sed -n 's/.*churn wrong 0 .*hole_us \([0-9]*\)$/\1/p'
}

until_beats() { # VM COUNT
	local tries=0
	until [ "$(beats "$1" | wc -l)" -ge "$2" ]; do
		[ $((tries++)) -lt 600 ] || fail "$1 does not write: $(chaos console --log "$1" | tail -3)"
		sleep 0.1
	done
}

# Whole commands at both ends; the hole is what the guest sees, in the rounds and at the end.
bench_migratelinux() {
	local guests total=() down=() hole=() before i
	guests=$(readlink -m "$here/../guests")
	[ -f "$guests/initrd" ] || fail "there is no guests/: give xenbed run --guests"
	start_chaosd
	for ((i = 0; i < samples; i++)); do
		chaos create -q -k "$guests/cloud/vmlinuz" --ramdisk "$guests/initrd" -m 128 -n bench -t pvh \
			-c "console=hvc0 quiet guest=churn=32:10"
		until_beats bench 2
		before=$(beats bench | wc -l)
		chaos migrate --json --command "exec chaos migrate-receive --name moved" bench >/tmp/moved.json
		sleep 2 # commands of this script would be a part of the hole
		jq -c '{migratelinux: {rounds, pages_sent, bytes, stopped_us, total_us}}' /tmp/moved.json >&2
		grep -e op=round -e op=save -e op=received /tmp/chaosd-bench.log | tail -8 >&2
		until_beats moved 2
		echo "holes there: $(beats bench | tail -n +$((before + 1)) | tr '\n' ' ') here: $(beats moved | tr '\n' ' ')" >&2
		total+=("$(jq .total_us /tmp/moved.json)")
		down+=("$(jq .stopped_us /tmp/moved.json)")
		hole+=("$( (beats bench | tail -n +$((before + 1)); beats moved) | sort -n | tail -1)")
		case "$(chaos console --log moved)" in *'wrong '[1-9]*) fail "its memory is not as it was" ;; esac
		chaos destroy moved >/dev/null
		chaos rm bench >/dev/null 2>&1 || true
		chaos rm moved >/dev/null 2>&1 || true
		sleep 1
	done
	stop_daemons
	emit migratelinux migrate_live_linux_pvh_128m us "${total[@]}"
	emit migratelinux migrate_live_down_linux_pvh_128m us "${down[@]}"
	emit migratelinux migrate_live_hole_linux_pvh_128m us "${hole[@]}"
}
