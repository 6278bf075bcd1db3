/* SPDX-License-Identifier: BSD-3-Clause */
/* The pattern on a disk, with as many requests at a time as the disk has slots. */
#include "disk.h"

#define SECTOR 512u
#define LINE   16u

void disk_pattern(uint64_t seed, uint64_t sector, uint8_t *to, uint32_t bytes)
{
	uint64_t value = seed + sector * (SECTOR / LINE);

	for (uint32_t at = 0; at + LINE <= bytes; at += LINE, value++) {
		if (at && value % 10) { /* the line before, one more */
			memcpy(to + at, to + at - LINE, LINE);
			to[at + LINE - 2]++;
			continue;
		}
		for (uint64_t i = 0, v = value; i < LINE - 1; i++, v /= 10)
			to[at + LINE - 2 - i] = (uint8_t)('0' + v % 10);
		to[at + LINE - 1] = '\n';
	}
}

/* The first sector of the slot's that differs; sectors when none does. */
static uint32_t compare(const struct disk_job *job, uint32_t slot, uint64_t first, uint32_t sectors)
{
	static uint8_t wanted[KIT_BLK_BYTES];

	disk_pattern(job->seed, first, wanted, sectors * SECTOR);
	for (uint32_t i = 0; i < sectors; i++)
		if (memcmp(wanted + i * SECTOR, job->disk->buf[slot] + i * SECTOR, SECTOR) != 0)
			return i;
	return sectors;
}

static bool flush(struct kit_blk *b)
{
	int status = 0;

	if (!(b->dev.flags & NOXS_VBD_FLUSH))
		return true;
	kit_blk_queue(b, 0, BLKIF_OP_FLUSH_DISKCACHE, 0, 0);
	kit_blk_flush(b);
	while (kit_blk_done(b, &status) < 0 && !b->broken)
		kit_idle(0);
	return !b->broken && status == BLKIF_RSP_OKAY;
}

bool disk_run(const struct disk_job *job, bool write)
{
	static uint64_t first[KIT_BLK_MAX]; /* of the request in a slot: its sectors */
	static uint32_t count[KIT_BLK_MAX];
	struct kit_blk *b = job->disk;
	uint64_t next = 0;
	uint64_t done = 0;
	uint64_t errors = 0;
	uint64_t wrong = 0;
	uint64_t at = UINT64_MAX;

	while (done < job->sectors && !b->broken) {
		int status;
		int slot;

		for (uint32_t s = 0; s < b->slots && next < job->sectors; s++) {
			uint64_t left = job->sectors - next;

			if (b->busy[s])
				continue;
			first[s] = next;
			count[s] = left < KIT_BLK_BYTES / SECTOR ? (uint32_t)left
								 : KIT_BLK_BYTES / SECTOR;
			if (write)
				disk_pattern(job->seed, next, b->buf[s], count[s] * SECTOR);
			kit_blk_queue(b, s, write ? BLKIF_OP_WRITE : BLKIF_OP_READ, next,
				      count[s] * SECTOR);
			next += count[s];
		}
		kit_blk_flush(b);
		slot = kit_blk_done(b, &status);
		if (slot < 0) {
			if (!b->broken)
				kit_idle(0);
			continue;
		}
		done += count[slot];
		if (status != BLKIF_RSP_OKAY) {
			errors++;
			if (at > first[slot])
				at = first[slot];
		} else if (!write) {
			uint32_t good = compare(job, (uint32_t)slot, first[slot], count[slot]);

			wrong += good < count[slot];
			if (good < count[slot] && at > first[slot] + good)
				at = first[slot] + good;
		}
	}
	if (write && !b->broken && !flush(b))
		errors++;
	if (errors || wrong || b->broken) {
		kit_print("disk: %lu requests failed, %lu differ, first at sector %lu\r\n", errors,
			  wrong, at);
		return false;
	}
	kit_print("disk: %lu sectors %s\r\n", done, write ? "written" : "verified");
	return true;
}
