/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest to TAP: requests are gathered into frames, all copied by one call, then written. */
#include "backend/net_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ETH_MIN 14u

/* One pass: what was taken from the ring so far. */
struct pass {
	struct netback *n;
	struct net_scratch *s;
	uint32_t waiting; /* requests that are still in the ring */
	uint16_t slots;
	uint16_t segs;
	uint16_t frames;
};

static uint8_t *segment_at(const struct net_scratch *s, uint32_t i)
{
	return s->area + (size_t)i * NET_PAGE;
}

/* The bytes of a request go to a separate page, so that each copy is one operation for Xen. */
static void add_segment(struct pass *p, const struct netif_tx_request *r, uint16_t bytes)
{
	struct xengnttab_grant_copy_segment *seg = &p->s->segs[p->segs];

	memset(seg, 0, sizeof(*seg));
	seg->source.foreign.ref = r->gref;
	seg->source.foreign.offset = r->offset;
	seg->source.foreign.domid = p->n->domid;
	seg->dest.virt = segment_at(p->s, p->segs);
	seg->len = bytes;
	seg->flags = GNTCOPY_source_gref;
	p->segs++;
}

static int take(struct pass *p, void *request)
{
	if (p->waiting == 0)
		return -1;
	p->waiting--;
	ring_take(&p->n->tx_ring, request, sizeof(struct netif_tx_request));
	return 0;
}

static int take_extras(struct pass *p, struct net_frame *f, struct err *e)
{
	/* An extra info takes the place of a request. */
	union {
		struct netif_tx_request room;
		struct netif_extra_info info;
	} x;

	do {
		if (take(p, &x) < 0)
			return err_set(e, EPROTO, "an extra info is missing");
		p->s->slots[p->slots++] = (struct net_slot){.extra = true};
		f->slots++;
		if (x.info.type == XEN_NETIF_EXTRA_TYPE_NONE ||
		    x.info.type >= XEN_NETIF_EXTRA_TYPE_MAX)
			return err_set(e, EPROTO, "extra info of the unknown type %u", x.info.type);
		if (x.info.type != XEN_NETIF_EXTRA_TYPE_GSO)
			continue; /* what was not offered has no effect */
		f->gso_size = x.info.u.gso.size;
		f->gso_type = x.info.u.gso.type;
		if (f->gso_size == 0 || (f->gso_type != XEN_NETIF_GSO_TYPE_TCPV4 &&
					 f->gso_type != XEN_NETIF_GSO_TYPE_TCPV6))
			return err_set(e, EPROTO, "segments of %u bytes, type %u", f->gso_size,
				       f->gso_type);
	} while (x.info.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return 0;
}

/* The first request has the size of the whole frame; those of the others are subtracted from it. */
static int take_frame(struct pass *p, struct err *e)
{
	struct net_frame *f = &p->s->frames[p->frames];
	struct netif_tx_request first;
	struct netif_tx_request r;
	uint32_t rest = 0;
	uint32_t chain = 1;
	uint16_t head;

	(void)take(p, &first); /* the caller saw one */
	memset(f, 0, sizeof(*f));
	f->slot = p->slots;
	f->slots = 1;
	f->seg = head = p->segs;
	f->flags = first.flags;
	f->bytes = first.size;
	p->s->slots[p->slots++] = (struct net_slot){.id = first.id};
	add_segment(p, &first, first.size);
	if (first.flags & NETTXF_extra_info) {
		int rc = take_extras(p, f, e);

		if (rc < 0)
			return rc;
	}
	for (r = first; r.flags & NETTXF_more_data; chain++) {
		if (take(p, &r) < 0)
			return err_set(e, EPROTO, "a frame without its end");
		if (chain == NET_FATAL_SLOTS)
			return err_set(e, EPROTO, "a frame in more than %u slots", NET_FATAL_SLOTS);
		if (r.offset + (uint32_t)r.size > NET_PAGE)
			return err_set(e, EPROTO, "slot crosses a page: offset %u, size %u",
				       r.offset, r.size);
		rest += r.size;
		f->slots++;
		p->s->slots[p->slots++] = (struct net_slot){.id = r.id};
		if (r.size)
			add_segment(p, &r, r.size);
	}
	if (rest > f->bytes)
		return err_set(e, EPROTO, "slots of %u bytes in a frame of %u", rest, f->bytes);
	if (first.offset + f->bytes - rest > NET_PAGE)
		return err_set(e, EPROTO, "slot crosses a page: offset %u, size %u", first.offset,
			       f->bytes - rest);
	p->s->segs[head].len = (uint16_t)(f->bytes - rest);
	f->segs = (uint16_t)(p->segs - head);
	f->bad = f->bytes < ETH_MIN || rest == f->bytes || chain > NET_FRAME_SLOTS;
	if (f->bad) { /* nothing of it is copied */
		p->segs = head;
		f->segs = 0;
	}
	p->frames++;
	return 0;
}

/* The headers may lie in several slots. */
static uint32_t gather(const struct net_scratch *s, const struct net_frame *f, uint8_t *head)
{
	uint32_t len = 0;

	for (uint32_t i = f->seg; i < f->seg + (uint32_t)f->segs && len < NET_HEAD_MAX; i++) {
		uint32_t n = s->segs[i].len;

		if (n > NET_HEAD_MAX - len)
			n = NET_HEAD_MAX - len;
		memcpy(head + len, segment_at(s, i), n);
		len += n;
	}
	return len;
}

static void send_frame(struct netback *n, struct net_frame *f)
{
	struct net_scratch *s = n->scratch;
	struct iovec v[NET_FRAME_SLOTS + 1];
	struct virtio_net_hdr h = {0};
	uint8_t head[NET_HEAD_MAX];
	int pieces = 1;

	for (uint32_t i = f->seg; i < f->seg + (uint32_t)f->segs; i++) {
		if (s->segs[i].status != GNTST_okay)
			f->bad = true;
		v[pieces].iov_base = segment_at(s, i);
		v[pieces++].iov_len = s->segs[i].len;
	}
	if (!f->bad && ((f->flags & NETTXF_csum_blank) || f->gso_size) &&
	    net_offload(head, gather(s, f, head), f, &h) < 0)
		f->bad = true;
	v[0].iov_base = &h;
	v[0].iov_len = sizeof(h);
	/* As on a wire: a frame that the TAP does not accept is lost. */
	if (f->bad || writev(n->tap, v, pieces) < 0) {
		n->tx.dropped++;
		return;
	}
	n->tx.frames++;
	n->tx.bytes += f->bytes;
}

static void answer(struct netback *n, const struct net_frame *f)
{
	for (uint32_t i = f->slot; i < f->slot + (uint32_t)f->slots; i++) {
		const struct net_slot *slot = &n->scratch->slots[i];
		struct netif_tx_response r = {.id = slot->id};

		r.status = f->bad ? NETIF_RSP_ERROR : NETIF_RSP_OKAY;
		if (slot->extra)
			r.status = NETIF_RSP_NULL;
		ring_answer_shown(&n->tx_ring, &r, sizeof(r));
	}
}

int netback_tx(struct netback *n, struct err *e)
{
	struct pass p = {.n = n, .s = n->scratch};
	int32_t waiting = ring_waiting(&n->tx_ring);
	int rc = 0;

	if (waiting < 0)
		return err_set(e, EPROTO, "impossible index in the tx ring");
	p.waiting = (uint32_t)waiting;
	while (p.waiting > 0 && rc == 0)
		rc = take_frame(&p, e);
	if (rc < 0)
		return rc;
	if (p.segs > 0) {
		rc = n->seam->copy(n->seam->ctx, n->scratch->segs, p.segs);
		if (rc < 0)
			return err_sys(e, -rc, "copy from the guest");
	}
	for (uint16_t i = 0; i < p.frames; i++) {
		send_frame(n, &n->scratch->frames[i]);
		answer(n, &n->scratch->frames[i]);
	}
	n->untold |= ring_publish(&n->tx_ring);
	rc = ring_ask(&n->tx_ring, 1);
	if (rc < 0)
		return err_set(e, EPROTO, "impossible index in the tx ring");
	return rc;
}
