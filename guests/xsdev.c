/* SPDX-License-Identifier: BSD-3-Clause */
/* xsdev: a guest of the old kind, without noxs: its disk and its vif by the classic XenStore
 * handshake. Verifies the disk's pattern (disk.h; write=1 writes it first), then answers ARP, ping
 * and UDP echo at ip=A.B.C.D until control/shutdown says otherwise, and closes its devices as
 * backends expect. Without ip= it ends after the disk; exit status by what the disk held. again=S:
 * S seconds after its start it closes both and sets them up anew, as a kernel does after GRUB. */
#include "answer.h"
#include "disk.h"

#define BUDGET 32

static struct kit_net net;
static struct kit_blk disk;
static struct answer_host me;
static bool have_net, have_disk;

static void answer(void *arg, const struct kit_frame *f)
{
	static uint8_t copy[KIT_FRAME_MAX];
	uint32_t len = answer_frame(&me, copy, kit_frame_copy(f, copy, sizeof(copy)));
	const struct kit_frame back = {.len = len, .parts = 1, .part = {{copy, len}}};

	(void)arg;
	if (len)
		(void)kit_net_send(&net, &back);
}

static void close_devices(void)
{
	if (have_disk)
		kit_device_close(&disk.dev);
	if (have_net)
		kit_device_close(&net.dev);
	kit_print("xsdev: closed\r\n");
}

static bool check_disk(void)
{
	struct disk_job job = {.disk = &disk, .seed = kit_option("seed", 0)};

	have_disk = kit_blk_open(&disk, 0, 8);
	if (!have_disk) {
		kit_print("xsdev: no disk\r\n");
		return true;
	}
	job.sectors = kit_option("sectors", disk.dev.vbd.sectors);
	kit_print("xsdev: disk of %lu sectors of %u bytes%s\r\n", disk.dev.vbd.sectors,
		  disk.dev.vbd.sector_size,
		  disk.dev.flags & NOXS_VBD_READONLY ? ", read-only" : "");
	return (!kit_option("write", 0) || disk_run(&job, true)) && disk_run(&job, false);
}

static void open_again(void)
{
	bool good;

	close_devices();
	memset(&net, 0, sizeof(net));
	memset(&disk, 0, sizeof(disk));
	good = check_disk() && have_disk;
	have_net = kit_net_open(&net, 0, 32);
	kit_print("xsdev: again: %s\r\n", good && have_net ? "good" : "bad");
}

int guest_main(void)
{
	uint64_t again = kit_option("again", 0) * 1000000000u;
	size_t len = 0;
	const char *ip = kit_option_text("ip=", 0, &len);
	const uint8_t *m = me.mac;
	bool good;

	kit_traps();
	kit.at_stop = close_devices;
	good = check_disk();
	if (ip && !answer_address(ip, (uint32_t)len, me.ip)) {
		kit_print("xsdev: ip=%s: not an address\r\n", ip);
		return 2;
	}
	have_net = ip && kit_net_open(&net, 0, 32);
	if (!have_net) {
		kit_print("xsdev: no network\r\n");
		kit_ready();
		close_devices();
		return good && !ip ? 0 : 1;
	}
	memcpy(me.mac, net.dev.vif.mac, 6);
	kit_print("xsdev: vif %02x:%02x:%02x:%02x:%02x:%02x\r\n", m[0], m[1], m[2], m[3], m[4],
		  m[5]);
	kit_ready();
	for (;;) {
		uint32_t n = kit_net_poll(&net, BUDGET, answer, NULL);

		kit_net_flush(&net);
		if (n < BUDGET)
			kit_idle(again ? 100000000u : 0);
		if (again && kit_time_ns() - kit.start_ns > again) {
			again = 0;
			open_again();
		}
	}
}
