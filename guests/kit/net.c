/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames over the two rings of a vif (Xen public/io/netif.h). Each buffer is one page, granted
 * when it is first used, and stays granted; the id of a request is its buffer. Values written by
 * the backend are loaded once and checked: a backend that breaks the protocol loses this device. */
#include "dev.h"

static void give_up(struct kit_net *n, const char *why)
{
	n->broken = true;
	kit_print("vif %u: %s\r\n", n->dev.index, why);
}

/* All buffers are free. */
static void free_all(struct kit_net *n)
{
	for (n->tx_free = 0; n->tx_free < n->buffers; n->tx_free++) {
		n->tx_idle[n->tx_free] = n->rx_idle[n->tx_free] =
			(uint8_t)(n->buffers - 1 - n->tx_free);
		n->tx_busy[n->tx_free] = n->rx_busy[n->tx_free] = false;
	}
	n->rx_free = n->buffers;
}

static void fill(struct kit_net *n);

/* Frames in the old rings are lost. Buffers are granted when they are used. */
static void resume(struct kit_device *d)
{
	struct kit_net *n = (struct kit_net *)d; /* its first member */

	n->lives++;
	if (!d->port)
		n->broken = true;
	if (n->broken)
		return;
	FRONT_RING_INIT(&n->tx, (struct netif_tx_sring *)d->ring[0], PAGE_SIZE);
	FRONT_RING_INIT(&n->rx, (struct netif_rx_sring *)d->ring[1], PAGE_SIZE);
	n->tx_answered = n->rx_answered = false;
	n->skip = false;
	n->in = (struct kit_frame){0};
	memset(n->tx_gref, 0, sizeof(n->tx_gref));
	memset(n->rx_gref, 0, sizeof(n->rx_gref));
	free_all(n);
	fill(n);
}

bool kit_net_open(struct kit_net *n, uint16_t index, uint16_t buffers)
{
	n->dev.resume = resume;
	if (!kit_device_open(&n->dev, NOXS_DEV_VIF, index))
		return false;
	FRONT_RING_INIT(&n->tx, (struct netif_tx_sring *)n->dev.ring[0], PAGE_SIZE);
	FRONT_RING_INIT(&n->rx, (struct netif_rx_sring *)n->dev.ring[1], PAGE_SIZE);
	n->buffers = buffers < KIT_NET_MAX ? buffers : KIT_NET_MAX;
	/* half of a small memory for each direction, and a page for a grant table */
	if (2u * n->buffers + 1 > kit_pages_left())
		n->buffers = (uint16_t)((kit_pages_left() - (kit_pages_left() > 0)) / 2);
	if (n->buffers < 4) {
		kit_print("vif %u: too little memory\r\n", index);
		kit_device_close(&n->dev);
		return false;
	}
	free_all(n);
	return true;
}

/* --- sending --- */

/* Takes back the pages whose frames are sent. */
static void reap(struct kit_net *n)
{
	uint32_t flying = n->buffers - n->tx_free;
	uint32_t prod = __atomic_load_n(&n->tx.sring->rsp_prod, __ATOMIC_ACQUIRE);

	if (prod - n->tx.rsp_cons > flying) {
		give_up(n, "the backend's tx index makes no sense");
		return;
	}
	for (; n->tx.rsp_cons != prod; n->tx.rsp_cons++) {
		struct netif_tx_response r;

		RING_COPY_RESPONSE(&n->tx, n->tx.rsp_cons, &r);
		if (r.id >= n->buffers || !n->tx_busy[r.id]) {
			give_up(n, "the backend answered a frame that was never sent");
			return;
		}
		n->tx_busy[r.id] = false;
		n->tx_idle[n->tx_free++] = (uint8_t)r.id;
	}
}

bool kit_net_room(struct kit_net *n, uint16_t want)
{
	if (n->tx_free < want && !n->broken)
		reap(n);
	if (n->tx_free < want && !n->broken) { /* an event when they are back */
		n->tx.sring->rsp_event = n->tx.rsp_cons + want - n->tx_free;
		xen_mb();
		reap(n);
	}
	return n->tx_free >= want && !n->broken;
}

static bool make_page(const struct kit_net *n, uint8_t **page, uint32_t *gref, bool readonly)
{
	if (!*page)
		*page = kit_pages(1);
	if (*page && !*gref)
		*gref = kit_grant(n->dev.backend, *page, readonly);
	return *gref;
}

/* Bytes [from, from + max) of a frame. */
static uint32_t copy_part(const struct kit_frame *f, uint32_t from, uint8_t *to, uint32_t max)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < f->parts && done < max; i++) {
		uint32_t len = f->part[i].len;

		if (from >= len) {
			from -= len;
			continue;
		}
		len -= from;
		if (len > max - done)
			len = max - done;
		memcpy(to + done, f->part[i].data + from, len);
		done += len;
		from = 0;
	}
	return done;
}

uint32_t kit_frame_copy(const struct kit_frame *f, void *to, uint32_t max)
{
	return copy_part(f, 0, to, max);
}

bool kit_net_send(struct kit_net *n, const struct kit_frame *f)
{
	uint32_t need = (uint32_t)((f->len + PAGE_SIZE - 1) / PAGE_SIZE);

	if (f->len < 14 || f->len > KIT_FRAME_MAX || need > KIT_FRAME_PARTS ||
	    !kit_net_room(n, (uint16_t)need)) {
		n->dropped++;
		return false;
	}
	for (uint32_t i = 0; i < need; i++) {
		uint8_t id = n->tx_idle[n->tx_free - 1 - i];

		if (!make_page(n, &n->tx_page[id], &n->tx_gref[id], true)) {
			n->dropped++;
			return false;
		}
	}
	for (uint32_t i = 0; i < need; i++) {
		uint8_t id = n->tx_idle[--n->tx_free];
		struct netif_tx_request *r = RING_GET_REQUEST(&n->tx, n->tx.req_prod_pvt++);
		uint32_t len = copy_part(f, (uint32_t)(i * PAGE_SIZE), n->tx_page[id], PAGE_SIZE);

		n->tx_busy[id] = true;
		r->gref = n->tx_gref[id];
		r->offset = 0;
		r->id = id;
		r->flags = i + 1 < need ? NETTXF_more_data : 0;
		r->size = (uint16_t)len;
		if (i > 0)
			continue;
		r->size = (uint16_t)f->len; /* the first slot tells the length of all */
		if (f->flags & KIT_CSUM_BLANK)
			r->flags |= NETTXF_csum_blank | NETTXF_data_validated;
		else if (f->flags & KIT_CSUM_VALID)
			r->flags |= NETTXF_data_validated;
	}
	n->sent++;
	return true;
}

void kit_net_flush(struct kit_net *n)
{
	bool notify;

	if (n->broken || n->tx.sring->req_prod == n->tx.req_prod_pvt)
		return;
	if (!n->tx_answered)
		n->tx_answered = __atomic_load_n(&n->tx.sring->rsp_prod, __ATOMIC_ACQUIRE) != 0;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&n->tx, notify);
	if (notify || !n->tx_answered) /* the backend may not have read this ring yet */
		kit_device_notify(&n->dev);
}

/* --- receiving --- */

/* Gives free buffers to the backend. */
static void fill(struct kit_net *n)
{
	RING_IDX before = n->rx.req_prod_pvt;
	bool notify;

	while (n->rx_free) {
		uint8_t id = n->rx_idle[n->rx_free - 1];
		struct netif_rx_request *r;

		if (!make_page(n, &n->rx_page[id], &n->rx_gref[id], false))
			break;
		n->rx_free--;
		n->rx_busy[id] = true;
		r = RING_GET_REQUEST(&n->rx, n->rx.req_prod_pvt++);
		*r = (struct netif_rx_request){.id = id, .gref = n->rx_gref[id]};
	}
	if (n->rx.req_prod_pvt == before)
		return;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&n->rx, notify);
	if (notify || !n->rx_answered)
		kit_device_notify(&n->dev);
}

static void idle(struct kit_net *n, uint8_t id)
{
	n->rx_busy[id] = false;
	n->rx_idle[n->rx_free++] = id;
}

/* The buffers of n->in may be used again. */
static void release(struct kit_net *n)
{
	for (uint32_t i = 0; i < n->in.parts; i++)
		idle(n, n->in_id[i]);
	n->in = (struct kit_frame){0};
}

/* One slot of a frame; true when the frame is whole. */
static bool take_slot(struct kit_net *n, const struct netif_rx_response *r)
{
	struct kit_frame *f = &n->in;
	bool more = r->flags & NETRXF_more_data;

	if (r->status < 0 || n->skip || f->parts == KIT_FRAME_PARTS ||
	    f->len + (uint32_t)r->status > KIT_FRAME_MAX) {
		release(n);
		idle(n, (uint8_t)r->id);
		n->dropped += !n->skip;
		n->skip = more;
		return false;
	}
	if (f->parts == 0) {
		f->flags = (uint16_t)((r->flags & NETRXF_csum_blank ? KIT_CSUM_BLANK : 0) |
				      (r->flags & NETRXF_data_validated ? KIT_CSUM_VALID : 0));
	}
	n->in_id[f->parts] = (uint8_t)r->id;
	f->part[f->parts].data = n->rx_page[r->id] + r->offset;
	f->part[f->parts].len = (uint32_t)r->status;
	f->len += (uint32_t)r->status;
	f->parts++;
	return !more;
}

static bool acceptable(struct kit_net *n, const struct netif_rx_response *r)
{
	if (r->id >= n->buffers || !n->rx_busy[r->id])
		give_up(n, "the backend filled a buffer it did not have");
	else if (r->status > 0 && (uint32_t)r->status + r->offset > PAGE_SIZE)
		give_up(n, "the backend's frame leaves its page");
	else if (r->flags & NETRXF_extra_info)
		give_up(n, "the backend sends what was never offered");
	for (uint32_t i = 0; i < n->in.parts && !n->broken; i++)
		if (n->in_id[i] == r->id)
			give_up(n, "the backend filled a buffer twice");
	return !n->broken;
}

uint32_t kit_net_poll(struct kit_net *n, uint32_t budget,
		      void (*take)(void *arg, const struct kit_frame *f), void *arg)
{
	uint32_t frames = 0;

	if (n->broken)
		return 0;
	fill(n);
	while (frames < budget && !n->broken) {
		uint32_t prod = __atomic_load_n(&n->rx.sring->rsp_prod, __ATOMIC_ACQUIRE);
		struct netif_rx_response r;

		if (prod - n->rx.rsp_cons > n->rx.req_prod_pvt - n->rx.rsp_cons) {
			give_up(n, "the backend's rx index makes no sense");
			break;
		}
		if (prod == n->rx.rsp_cons) {
			int more;

			fill(n);
			RING_FINAL_CHECK_FOR_RESPONSES(&n->rx, more);
			if (!more)
				break;
			continue;
		}
		RING_COPY_RESPONSE(&n->rx, n->rx.rsp_cons, &r);
		n->rx.rsp_cons++;
		n->rx_answered = true;
		if (acceptable(n, &r) && take_slot(n, &r)) {
			frames++;
			n->received++;
			take(arg, &n->in);
			release(n);
		}
	}
	fill(n);
	return frames;
}
