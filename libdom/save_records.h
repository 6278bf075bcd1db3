/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks libxenguest's stream of a PV domain while it passes. No side effects. Source: Xen
 * docs/specs/libxc-migration-stream.pandoc. */
#ifndef CHAOS_LIBDOM_SAVE_RECORDS_H
#define CHAOS_LIBDOM_SAVE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define RECORDS_BATCH 1024u /* frames in one record of pages */
#define RECORDS_END   8u    /* bytes of the last record, all of them zero */

enum records_at { RECORDS_FIRST, RECORDS_HEAD, RECORDS_START, RECORDS_REST, RECORDS_OVER };

struct records {
	uint64_t frames; /* of the guest: each frame number must be smaller */
	uint32_t vcpus;
	enum records_at at;
	uint32_t have, want;  /* bytes in `part`, and how many make it complete */
	uint32_t type, bytes; /* of the record */
	uint64_t left;	      /* bytes of the record after those in `part`, with padding */
	uint64_t pages;	      /* so far */
	uint8_t part[8 + 8 * RECORDS_BATCH] __attribute__((aligned(8)));
};

void records_begin(struct records *r, uint64_t frames, uint32_t vcpus);
/* The next bytes of the stream; may be called with pieces of any size. *used: how many of them
 * belong to the stream, fewer than n only after its last record. -EPROTO: it is not a stream of a
 * PV guest with so many frames and vCPUs, as libxenguest writes it. */
int records_check(struct records *r, const void *data, size_t n, size_t *used, struct err *e);
/* Whether the last record has passed. */
static inline bool records_over(const struct records *r)
{
	return r->at == RECORDS_OVER;
}

#endif
