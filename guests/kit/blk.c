/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests over the ring of a vbd (Xen public/io/blkif.h), without indirect or persistent
 * grants. A slot's buffer stays granted; the id of a request is its slot. Values written by the
 * backend are checked. */
#include "dev.h"

#define SECTOR	      512u
#define QUIESCE_NS    10000000u
#define QUIESCE_TURNS 400u

static struct kit_blk *blk_of(struct kit_device *d)
{
	return (struct kit_blk *)d; /* its first member */
}

/* True: all requests that the backend has read are answered, or there will be an event. */
static bool is_answered(struct kit_blk *b)
{
	struct blkif_sring *s = b->ring.sring;
	RING_IDX sent = s->req_prod;

	if (__atomic_load_n(&s->rsp_prod, __ATOMIC_ACQUIRE) == sent)
		return true;
	s->rsp_event = sent; /* an event with the last one */
	xen_mb();
	return __atomic_load_n(&s->rsp_prod, __ATOMIC_ACQUIRE) == sent;
}

static bool quiesce(struct kit_device *d)
{
	struct kit_blk *b = blk_of(d);

	for (uint32_t turns = 0; !b->broken && !is_answered(b); turns++) {
		if (turns == QUIESCE_TURNS)
			return false;
		kit_wait_port(d->port, QUIESCE_NS);
	}
	return true;
}

static bool grant_slot(struct kit_blk *b, uint32_t slot)
{
	for (uint32_t i = 0; b->buf[slot] && i < KIT_BLK_PAGES; i++)
		b->gref[slot][i] = kit_grant(b->dev.backend, b->buf[slot] + i * PAGE_SIZE, false);
	return b->buf[slot] && b->gref[slot][KIT_BLK_PAGES - 1];
}

/* Sends requests again that were not answered in the old ring, or whose answer was not seen. */
static void resume(struct kit_device *d)
{
	struct kit_blk *b = blk_of(d);

	if (!d->port)
		b->broken = true;
	if (b->broken)
		return;
	FRONT_RING_INIT(&b->ring, (struct blkif_sring *)d->ring[0], PAGE_SIZE);
	for (uint32_t s = 0; s < b->slots; s++) {
		if (!grant_slot(b, s))
			b->broken = true;
		else if (b->busy[s])
			kit_blk_queue(b, s, b->op[s], b->sector[s], b->bytes[s]);
	}
	if (b->ring.req_prod_pvt)
		kit_blk_flush(b);
}

bool kit_blk_open(struct kit_blk *b, uint16_t index, uint16_t slots)
{
	b->dev.resume = resume;
	b->dev.quiesce = quiesce;
	if (!kit_device_open(&b->dev, NOXS_DEV_VBD, index))
		return false;
	FRONT_RING_INIT(&b->ring, (struct blkif_sring *)b->dev.ring[0], PAGE_SIZE);
	b->slots = slots < KIT_BLK_MAX ? slots : KIT_BLK_MAX;
	for (uint32_t s = 0; s < b->slots; s++) {
		b->buf[s] = kit_pages(KIT_BLK_PAGES);
		if (grant_slot(b, s))
			continue;
		b->slots = (uint16_t)s; /* as many as there is memory for */
		break;
	}
	return b->slots;
}

void kit_blk_queue(struct kit_blk *b, uint32_t slot, uint8_t op, uint64_t sector, uint32_t bytes)
{
	struct blkif_request *r;

	b->op[slot] = op;
	b->sector[slot] = sector;
	b->bytes[slot] = bytes;
	b->busy[slot] = true;
	if (b->broken)
		return;
	r = RING_GET_REQUEST(&b->ring, b->ring.req_prod_pvt++);
	r->operation = op;
	r->nr_segments = (uint8_t)((bytes + PAGE_SIZE - 1) / PAGE_SIZE);
	r->handle = (blkif_vdev_t)b->dev.vbd.vdev;
	r->id = slot;
	r->sector_number = sector;
	for (uint32_t i = 0; i < r->nr_segments; i++) {
		uint32_t left = (uint32_t)(bytes - i * PAGE_SIZE);

		r->seg[i].gref = b->gref[slot][i];
		r->seg[i].first_sect = 0;
		r->seg[i].last_sect = (uint8_t)((left < PAGE_SIZE ? left : PAGE_SIZE) / SECTOR - 1);
	}
}

void kit_blk_flush(struct kit_blk *b)
{
	int notify;

	if (b->broken)
		return;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&b->ring, notify);
	if (notify || b->ring.rsp_cons == 0) /* the backend may not have read the ring yet */
		kit_device_notify(&b->dev);
}

static int give_up(struct kit_blk *b, const char *why)
{
	b->broken = true;
	kit_print("vbd %u: %s\r\n", b->dev.index, why);
	return -1;
}

/* Without a device all requests fail. */
static int fail_next(struct kit_blk *b, int *status)
{
	for (uint32_t s = 0; s < b->slots; s++) {
		if (!b->busy[s])
			continue;
		b->busy[s] = false;
		*status = BLKIF_RSP_ERROR;
		return (int)s;
	}
	return -1;
}

int kit_blk_done(struct kit_blk *b, int *status)
{
	struct blkif_response r;
	int more;

	if (b->broken)
		return fail_next(b, status);
	RING_FINAL_CHECK_FOR_RESPONSES(&b->ring, more);
	if (!more)
		return -1;
	if (b->ring.sring->rsp_prod - b->ring.rsp_cons > b->ring.req_prod_pvt - b->ring.rsp_cons)
		return give_up(b, "the backend's index makes no sense");
	xen_rmb();
	RING_COPY_RESPONSE(&b->ring, b->ring.rsp_cons, &r);
	b->ring.rsp_cons++;
	if (r.id >= b->slots || !b->busy[r.id] || r.operation != b->op[r.id])
		return give_up(b, "the backend answered what was never asked");
	b->busy[r.id] = false;
	*status = r.status;
	return (int)r.id;
}
