/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest may write into the ring of a vbd. None of it writes to the disk. */
#include "hostile.h"

static struct blkif_request *slot(struct victim *v, uint32_t ahead)
{
	struct blkif_sring *s = v->dev.ring[0];

	return &s->ring[(s->req_prod + ahead) % __CONST_RING_SIZE(blkif, PAGE_SIZE)].req;
}

/* A read that would be right. */
static struct blkif_request *good(struct victim *v, uint32_t ahead)
{
	struct blkif_request *r = slot(v, ahead);

	memset(r, 0, sizeof(*r));
	r->operation = BLKIF_OP_READ;
	r->nr_segments = 1;
	r->handle = (blkif_vdev_t)v->dev.vbd.vdev;
	r->id = v->round;
	r->seg[0].gref = v->gref;
	r->seg[0].last_sect = 7;
	return r;
}

static void blk_index(struct victim *v)
{
	static const uint32_t jumps[] = {33, 0x7fffffff, 0x80000000u, 0xffffffffu};

	good(v, 0);
	hostile_push(v, 0, jumps[v->round % 4]);
}

static void blk_operation(struct victim *v)
{
	static const uint8_t ops[] = {4, 7, 99, 255};

	good(v, 0)->operation = ops[v->round % 4];
	hostile_push(v, 0, 1);
}

static void blk_segments(struct victim *v)
{
	static const uint8_t counts[] = {0, 12, 127, 255};

	good(v, 0)->nr_segments = counts[v->round % 4];
	hostile_push(v, 0, 1);
}

static void blk_sectors(struct victim *v)
{
	struct blkif_request *r = good(v, 0);

	r->seg[0].first_sect = (uint8_t)(v->round % 2 ? 7 : 200);
	r->seg[0].last_sect = (uint8_t)(v->round % 2 ? 0 : 255);
	hostile_push(v, 0, 1);
}

/* Behind the disk's end, and so far behind that adding to it wraps. */
static void blk_end(struct victim *v)
{
	const uint64_t at[] = {v->dev.vbd.sectors, v->dev.vbd.sectors - 1, UINT64_MAX,
			       UINT64_MAX - 7, 1ull << 63};

	good(v, 0)->sector_number = at[v->round % 5];
	hostile_push(v, 0, 1);
}

static void blk_gref(struct victim *v)
{
	static const uint32_t grefs[] = {0, 511, 512, 0xffffffffu};

	good(v, 0)->seg[0].gref = grefs[v->round % 4];
	hostile_push(v, 0, 1);
}

/* Indirect requests, which were never offered. */
static void blk_indirect(struct victim *v)
{
	struct blkif_request_indirect *r = (struct blkif_request_indirect *)(void *)good(v, 0);

	memset(r, 0, sizeof(*r));
	r->operation = BLKIF_OP_INDIRECT;
	r->indirect_op = (uint8_t)(v->round % 3 ? BLKIF_OP_READ : 77);
	r->nr_segments = (uint16_t)(v->round % 2 ? 65535 : 512);
	r->id = v->round;
	r->handle = (blkif_vdev_t)v->dev.vbd.vdev;
	r->indirect_grefs[0] = v->gref;
	hostile_push(v, 0, 1);
}

static void blk_discard(struct victim *v)
{
	struct blkif_request_discard *r = (struct blkif_request_discard *)(void *)good(v, 0);

	memset(r, 0, sizeof(*r));
	r->operation = BLKIF_OP_DISCARD;
	r->flag = 0xff;
	r->sector_number = UINT64_MAX - v->round;
	r->nr_sectors = UINT64_MAX;
	hostile_push(v, 0, 1);
}

static void blk_revoke(struct victim *v)
{
	good(v, 0);
	hostile_push(v, 0, 1);
	hostile_revoke(v->gref);
	v->gref = kit_grant(v->dev.backend, v->page, false);
}

static void ring_revoke(struct victim *v)
{
	hostile_revoke(v->dev.gref[0]);
	good(v, 0);
	hostile_push(v, 0, 1);
}

const struct hostile_mode hostile_vbd_modes[] = {
	{"blk-index", NOXS_DEV_VBD, blk_index},
	{"blk-operation", NOXS_DEV_VBD, blk_operation},
	{"blk-segments", NOXS_DEV_VBD, blk_segments},
	{"blk-sectors", NOXS_DEV_VBD, blk_sectors},
	{"blk-end", NOXS_DEV_VBD, blk_end},
	{"blk-gref", NOXS_DEV_VBD, blk_gref},
	{"blk-indirect", NOXS_DEV_VBD, blk_indirect},
	{"blk-discard", NOXS_DEV_VBD, blk_discard},
	{"blk-revoke", NOXS_DEV_VBD, blk_revoke},
	{"vbd-ring-revoke", NOXS_DEV_VBD, ring_revoke},
	{NULL, NOXS_DEV_NONE, NULL},
};
