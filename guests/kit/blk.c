/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests over the ring of a vbd (Xen public/io/blkif.h), without indirect or persistent grants. A
 * slot's buffer is granted for good; a request's id is its slot. The backend's words are checked.
 */
#include "dev.h"

#define SECTOR 512u

bool kit_blk_open(struct kit_blk *b, uint16_t index, uint16_t slots)
{
	if (!kit_device_open(&b->dev, NOXS_DEV_VBD, index))
		return false;
	FRONT_RING_INIT(&b->ring, (struct blkif_sring *)b->dev.ring[0], PAGE_SIZE);
	b->slots = slots < KIT_BLK_MAX ? slots : KIT_BLK_MAX;
	for (uint32_t s = 0; s < b->slots; s++) {
		b->buf[s] = kit_pages(KIT_BLK_PAGES);
		for (uint32_t i = 0; b->buf[s] && i < KIT_BLK_PAGES; i++)
			b->gref[s][i] = kit_grant(b->dev.backend, b->buf[s] + i * PAGE_SIZE, false);
		if (b->buf[s] && b->gref[s][KIT_BLK_PAGES - 1])
			continue;
		b->slots = (uint16_t)s; /* as many as there is memory for */
		break;
	}
	return b->slots;
}

void kit_blk_queue(struct kit_blk *b, uint32_t slot, uint8_t op, uint64_t sector, uint32_t bytes)
{
	struct blkif_request *r = RING_GET_REQUEST(&b->ring, b->ring.req_prod_pvt++);

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
	b->op[slot] = op;
	b->busy[slot] = true;
}

void kit_blk_flush(struct kit_blk *b)
{
	int notify;

	if (b->broken)
		return;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&b->ring, notify);
	if (notify || b->ring.rsp_cons == 0) /* it may not have looked at the ring yet */
		kit_device_notify(&b->dev);
}

static int give_up(struct kit_blk *b, const char *why)
{
	b->broken = true;
	kit_print("vbd %u: %s\r\n", b->dev.index, why);
	return -1;
}

int kit_blk_done(struct kit_blk *b, int *status)
{
	struct blkif_response r;
	int more;

	if (b->broken)
		return -1;
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
