/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing a pattern over a disk, and verifying it: for the guests blk and xsdev. */
#ifndef CHAOS_GUEST_DISK_H
#define CHAOS_GUEST_DISK_H

#include "kit/dev.h"

struct disk_job {
	struct kit_blk *disk;
	uint64_t sectors; /* of 512 bytes, from the first one on */
	uint64_t seed;
};

/* The pattern of the disk's bytes from sector `sector` on: lines of 16 bytes, line i of the disk is
 * seed + i in 15 decimal digits. So `seq -f %015.0f SEED ...` makes it, too. */
void disk_pattern(uint64_t seed, uint64_t sector, uint8_t *to, uint32_t bytes);
/* Writes the pattern (and flushes), or reads and compares it; prints the result and the first
 * mistake. */
bool disk_run(const struct disk_job *job, bool write);

#endif
