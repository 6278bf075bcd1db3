/* SPDX-License-Identifier: BSD-3-Clause */
/* A vbd between a guest in memory and a file in memory. */
#ifndef CHAOS_UNIT_BACKEND_BLK_H
#define CHAOS_UNIT_BACKEND_BLK_H

#include "backend/blkback.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/backend/backend_guest.h"
#include "tests/unit/unit.h"

#define SECTORS 4096u
#define ENTRY	112

struct env {
	uint8_t *area;
	struct guest guest;
	struct front front;
	struct blkback b;
	struct blk_scratch *s;
	struct err e;
};

static int setup(void **state)
{
	struct env *v = calloc(1, sizeof(*v));

	assert_non_null(v);
	guest_init(&v->guest);
	front_init(&v->front, BLK_REQUESTS, ENTRY);
	v->area = aligned_alloc(BLK_PAGE, BLK_SEGMENTS * BLK_PAGE);
	assert_non_null(v->area);
	v->s = blk_scratch_new(v->area);
	v->b.seam = &v->guest.seam;
	v->b.domid = GUEST_DOMID;
	v->b.port = GUEST_PORT;
	v->b.fd = memfd_create("disk", MFD_CLOEXEC);
	v->b.sectors = SECTORS;
	v->b.flags = BLK_DISCARD;
	assert_int_equal(ftruncate(v->b.fd, SECTORS * BLK_SECTOR), 0);
	blkback_init(&v->b, v->front.page);
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct env *v = *state;

	assert_int_equal(v->b.running, 0);
	(void)close(v->b.fd);
	blk_scratch_free(v->s);
	free(v->area);
	free(v);
	return 0;
}

/* `n` whole pages, grants `gref`.. */
static struct blkif_request rw(uint8_t op, uint64_t sector, uint32_t gref, uint8_t n)
{
	struct blkif_request r = {.operation = op, .nr_segments = n, .sector_number = sector};

	for (uint8_t i = 0; i < n && i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++) {
		r.seg[i].gref = gref + i;
		r.seg[i].last_sect = 7;
	}
	return r;
}

static void put(struct env *v, struct blkif_request r)
{
	r.id = 0xdead0000u + v->front.prod;
	front_put(&v->front, &r, sizeof(r));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
