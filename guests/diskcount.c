/* SPDX-License-Identifier: BSD-3-Clause */
/* diskcount: a guest with a disk that is saved and restored. Writes numbers to the first sectors of
 * its disk and reads them back, some at a time; prints how far it has come when it is another
 * domain, and for a "?" on the console. A "q" ends it, with 1 if anything was wrong. Its other
 * vCPUs wait and look around. */
#include "kit/dev.h"
#include "kit/kit.h"

#include <xen/sched.h>

#include "kit/hypercall.h"

#define SLOTS	4u
#define SECTORS 64u
#define SECTOR	512u
#define TICK_NS 2000000u
#define MORE	3u /* vCPUs at most, but the first one */

static struct kit_blk disk;
static uint64_t value[SLOTS]; /* what a slot writes, or reads back */
static bool reads[SLOTS];     /* its next request */
static uint64_t last, rounds, wrong, failed;
static bool resumed;
static char stacks[MORE][1024] __attribute__((aligned(16)));

static void on_resume(void)
{
	resumed = true;
}

static uint64_t sector_of(uint32_t slot)
{
	return slot * SECTORS + value[slot] % SECTORS;
}

/* Busy slots are as they are. */
static void queue_all(void)
{
	for (uint32_t s = 0; s < disk.slots && s < SLOTS; s++) {
		uint64_t *to = (void *)disk.buf[s];

		if (disk.busy[s])
			continue;
		if (!reads[s])
			value[s] = ++last;
		for (uint32_t i = 0; i < SECTOR / sizeof(*to); i++)
			to[i] = reads[s] ? 0 : value[s];
		kit_blk_queue(&disk, s, reads[s] ? BLKIF_OP_READ : BLKIF_OP_WRITE, sector_of(s),
			      SECTOR);
	}
	kit_blk_flush(&disk);
}

static void take_all(void)
{
	int status;
	int s;

	while ((s = kit_blk_done(&disk, &status)) >= 0) {
		const uint64_t *got = (const void *)disk.buf[s];

		if (status != BLKIF_RSP_OKAY) {
			failed++;
			continue;
		}
		for (uint32_t i = 0; reads[s] && i < SECTOR / sizeof(*got); i++)
			wrong += got[i] != value[s];
		rounds += reads[s];
		reads[s] = !reads[s];
	}
}

/* Takes the next domain up when it is the first one to see it. */
static void other(void *arg)
{
	(void)arg;
	for (;;) {
		struct sched_poll poll = {.nr_ports = 0, .timeout = kit_xen_ns() + TICK_NS / 4};

		(void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
		kit_look_around();
	}
}

static void tell(void)
{
	kit_print("diskcount: dom %u rounds %lu wrong %lu failed %lu disk %s%s of %lu sectors\r\n",
		  kit.page->domid, (unsigned long)rounds, (unsigned long)wrong,
		  (unsigned long)failed, disk.broken ? "gone" : "there",
		  disk.dev.flags & NOXS_VBD_READONLY ? ", read-only," : "",
		  (unsigned long)disk.dev.vbd.sectors);
}

int guest_main(void)
{
	kit_traps();
	if (!kit.page || !kit_blk_open(&disk, 0, SLOTS))
		return 3;
	kit.at_resume = on_resume;
	for (uint32_t id = 1; id < kit.page->vcpus && id <= MORE; id++)
		(void)kit_vcpu_start(id, other, NULL, stacks[id - 1] + sizeof(stacks[0]));
	queue_all();
	kit_ready();
	for (;;) {
		char key = 0;

		take_all();
		if (resumed || (kit_read(&key, 1) && key == '?')) {
			resumed = false;
			tell();
		}
		if (key == 'q')
			return wrong != 0;
		if (!disk.broken)
			queue_all();
		kit_wait(TICK_NS);
	}
}
