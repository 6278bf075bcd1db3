/* SPDX-License-Identifier: BSD-3-Clause */
/* forkdev: a guest with a vif and a disk that forks. For each "f" on its console it reads its disk,
 * makes a child while that request is under way, and prints what came of both; "n" does so 10
 * times; "q" ends it. A child ends with 50 if its drivers answer with errors, as it has no devices,
 * and with the number of what was wrong otherwise. */
#include "kit/dev.h"
#include "kit/fork.h"
#include "kit/kit.h"

#define WAIT_NS 120000000000u
#define SECTOR	512u
#define GONE	50

static struct kit_net net;
static struct kit_blk disk;

static void ignore(void *arg, const struct kit_frame *f)
{
	(void)arg;
	(void)f;
}

static bool send_frame(void)
{
	static uint8_t bytes[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
				    0,	  0,	0,    0,    1,	  0x88, 0xb5};
	struct kit_frame f = {.len = sizeof(bytes), .parts = 1};
	bool sent;

	f.part[0].data = bytes;
	f.part[0].len = sizeof(bytes);
	(void)kit_net_poll(&net, KIT_NET_MAX, ignore, NULL);
	sent = kit_net_send(&net, &f);
	kit_net_flush(&net);
	return sent;
}

static bool fails(int slot)
{
	int status = BLKIF_RSP_OKAY;

	return kit_blk_done(&disk, &status) == slot && status == BLKIF_RSP_ERROR;
}

/* --- the child --- */

static int look_at_devices(void)
{
	static struct kit_net other_net;
	static struct kit_blk other_disk;
	const volatile struct blkif_sring *ring = disk.dev.ring[0];
	int status;

	if (kit.page->ndev)
		return 1;
	if (send_frame() || kit_net_room(&net, 1) || kit_net_poll(&net, 1, ignore, NULL))
		return 2;
	if (!fails(0)) /* was under way */
		return 3;
	kit_blk_queue(&disk, 1, BLKIF_OP_WRITE, 1, SECTOR);
	kit_blk_flush(&disk);
	if (!fails(1))
		return 4;
	if (kit_blk_done(&disk, &status) != -1)
		return 5;
	if (kit_net_open(&other_net, 0, 4) || kit_blk_open(&other_disk, 0, 1))
		return 6;
	if (ring->req_prod || ring->rsp_prod) /* those of the parent have numbers */
		return 7;
	return GONE;
}

static void be_child(struct noxs_channel *c) __attribute__((noreturn));

static void be_child(struct noxs_channel *c)
{
	int code = look_at_devices();

	(void)noxs_send(c, &code, sizeof(code));
	kit_shutdown(0, (uint32_t)code); /* SHUTDOWN_poweroff */
}

/* --- the parent --- */

static bool disk_answers(void)
{
	uint64_t until = kit_time_ns() + WAIT_NS;
	int status = BLKIF_RSP_ERROR;
	int slot;

	while ((slot = kit_blk_done(&disk, &status)) < 0 && !disk.broken && kit_time_ns() < until)
		kit_wait(50000000);
	return slot == 0 && status == BLKIF_RSP_OKAY && memcmp(disk.buf[0], "forkdev", 7) == 0;
}

static void fork_once(void)
{
	struct noxs_channel c;
	uint64_t until = kit_time_ns() + WAIT_NS;
	int told = 0;
	bool ended = false;
	int code;
	int rc;

	memset(disk.buf[0], 0, SECTOR);
	kit_blk_queue(&disk, 0, BLKIF_OP_READ, 0, SECTOR);
	kit_blk_flush(&disk);
	do {
		rc = noxs_fork(&c);
	} while (rc == -NOXS_FORK_EAGAIN && kit_time_ns() < until);
	if (rc == 0)
		be_child(&c);
	if (rc < 0) {
		kit_print("forkdev: error %d disk %s\r\n", rc, disk_answers() ? "there" : "lost");
		return;
	}
	while (!ended && kit_time_ns() < until) {
		ended = noxs_ended(&c);
		if (!ended)
			kit_wait(50000000);
	}
	(void)noxs_receive(&c, &told, sizeof(told));
	code = noxs_wait(&c, WAIT_NS);
	kit_print("forkdev: child %u told %d code %d disk %s net %s\r\n", c.number, told, code,
		  disk_answers() ? "there" : "lost", send_frame() ? "there" : "lost");
}

int guest_main(void)
{
	kit_traps();
	if (!kit.page || !kit_net_open(&net, 0, 8) || !kit_blk_open(&disk, 0, 2))
		return 3;
	kit_ready();
	for (;;) {
		char key = 0;

		while (kit_read(&key, 1)) {
			for (uint32_t i = 0; i < (key == 'n' ? 10 : key == 'f'); i++)
				fork_once();
			if (key == 'n')
				kit_print("forkdev: ten\r\n");
			if (key == 'q')
				return 0;
		}
		(void)kit_net_poll(&net, KIT_NET_MAX, ignore, NULL);
		kit_net_flush(&net);
		kit_wait(0);
	}
}
