/* SPDX-License-Identifier: BSD-3-Clause */
/* TAP to guest: frames are read into pages, all copied by one call, then announced. */
#include "backend/net_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONE_FRAMES 4 /* after this many passes with one frame the TAP is read only once */
#define LONE_PROBE  7 /* and after this many more it is read twice again */

struct pass {
	struct netback *n;
	struct net_scratch *s;
	uint32_t waiting; /* slots the guest gave that are not used yet */
	uint16_t slots;
	uint16_t segs;
	uint16_t pages; /* of the area, used */
};

/* The properties of a frame for the guest. */
struct offload {
	uint16_t flags; /* NETRXF_* of its first slot */
	uint16_t gso_size;
	uint8_t gso_type;
};

/* -ENOTSUP: the TAP returned a frame that this frontend cannot accept (its offloads are set
 * wrong). */
static int offload(const struct netback *n, const struct virtio_net_hdr *h, uint32_t bytes,
		   struct offload *o)
{
	uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	memset(o, 0, sizeof(*o));
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (!(n->features & NET_RX_CSUM))
			return -ENOTSUP;
		o->flags = NETRXF_csum_blank | NETRXF_data_validated;
	} else if (h->flags & VIRTIO_NET_HDR_F_DATA_VALID) {
		o->flags = NETRXF_data_validated;
	}
	if (type != VIRTIO_NET_HDR_GSO_NONE) {
		bool v4 = type == VIRTIO_NET_HDR_GSO_TCPV4;

		if ((!v4 && type != VIRTIO_NET_HDR_GSO_TCPV6) || h->gso_size == 0 ||
		    !(n->features & (v4 ? NET_RX_GSO4 : NET_RX_GSO6)))
			return -ENOTSUP;
		o->gso_size = h->gso_size;
		o->gso_type = v4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
	}
	if (bytes > NET_PAGE && !(n->features & NET_RX_SG))
		return -ENOTSUP;
	return 0;
}

static void put_extra(struct pass *p, const struct offload *o)
{
	struct net_rx_slot *slot = &p->s->rx[p->slots++];
	struct netif_rx_request unused;

	ring_take(&p->n->rx_ring, &unused, sizeof(unused));
	memset(slot, 0, sizeof(*slot));
	slot->gso_size = o->gso_size;
	slot->gso_type = o->gso_type;
	slot->seg = -1;
}

/* Gives `bytes` at the area's next page to the guest's next slots; there are enough. */
static void put_frame(struct pass *p, const struct offload *o, uint32_t bytes)
{
	uint8_t *from = p->s->area + (uint32_t)p->pages * NET_PAGE;

	for (uint32_t at = 0; at < bytes; at += NET_PAGE) {
		uint32_t n = bytes - at < NET_PAGE ? bytes - at : NET_PAGE;
		struct xengnttab_grant_copy_segment *seg = &p->s->segs[p->segs];
		struct net_rx_slot *slot = &p->s->rx[p->slots++];
		struct netif_rx_request r;

		ring_take(&p->n->rx_ring, &r, sizeof(r));
		memset(seg, 0, sizeof(*seg));
		seg->source.virt = from + at;
		seg->dest.foreign.ref = r.gref;
		seg->dest.foreign.domid = p->n->domid;
		seg->len = (uint16_t)n;
		seg->flags = GNTCOPY_dest_gref;
		memset(slot, 0, sizeof(*slot));
		slot->rsp.id = r.id;
		slot->rsp.flags = at + n < bytes ? NETRXF_more_data : 0;
		slot->rsp.status = (int16_t)n;
		slot->seg = (int16_t)p->segs++;
		p->pages++;
		if (at > 0)
			continue;
		slot->rsp.flags |= o->flags;
		if (o->gso_size) {
			slot->rsp.flags |= NETRXF_extra_info;
			put_extra(p, o);
		}
	}
	p->n->rx.frames++;
	p->n->rx.bytes += bytes;
}

/* Reads the next frame into the area's next page: the one that was held back, or one from the
 * TAP. Returns its bytes with the virtio header; 0 if there is none. */
static int read_frame(struct pass *p, struct virtio_net_hdr *h)
{
	struct netback *n = p->n;
	uint8_t *to = p->s->area + (uint32_t)p->pages * NET_PAGE;
	struct iovec v[2] = {{h, sizeof(*h)}, {to, NET_FRAME_SLOTS * NET_PAGE}};
	ssize_t got;

	if (n->held) {
		uint32_t bytes = n->held_bytes;

		memcpy(h, n->held, sizeof(*h));
		memcpy(to, n->held + sizeof(*h), bytes - sizeof(*h));
		free(n->held);
		n->held = NULL;
		return (int)bytes;
	}
	got = readv(n->tap, v, 2);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return got == 0 ? -EIO : (int)got;
}

/* Keeps a frame for which there are too few slots; without memory the frame is lost. */
static void hold(struct pass *p, const struct virtio_net_hdr *h, uint32_t bytes)
{
	struct netback *n = p->n;

	n->held_bytes = (uint32_t)sizeof(*h) + bytes;
	n->held = malloc(n->held_bytes);
	if (!n->held) {
		n->rx.dropped++;
		return;
	}
	memcpy(n->held, h, sizeof(*h));
	memcpy(n->held + sizeof(*h), p->s->area + (uint32_t)p->pages * NET_PAGE, bytes);
}

/* Requests an event for `need` slots; returns whether they are there already. */
static int wait_for(struct pass *p, uint32_t need)
{
	int rc = ring_ask(&p->n->rx_ring, need);

	if (rc == 0)
		p->n->rx_full = true;
	return rc < 0 ? -EPROTO : 0;
}

/* 1: a frame was put; 0: nothing more to do now; 2: the pass is full. */
static int one(struct pass *p)
{
	struct virtio_net_hdr h;
	struct offload o;
	uint32_t need;
	int bytes;

	if (p->waiting == 0)
		return wait_for(p, 1);
	if (p->pages + NET_FRAME_SLOTS > NET_AREA_PAGES || p->slots + NET_FRAME_SLOTS > NET_SLOTS)
		return 2;
	bytes = read_frame(p, &h);
	if (bytes <= 0)
		return bytes == 0 ? 0 : -EIO;
	bytes -= (int)sizeof(h);
	if (bytes <= 0 || bytes > (int)(NET_FRAME_SLOTS - 1) * (int)NET_PAGE ||
	    offload(p->n, &h, (uint32_t)bytes, &o) < 0) {
		p->n->rx.dropped++;
		return 1;
	}
	need = ((uint32_t)bytes + NET_PAGE - 1) / NET_PAGE + (o.gso_size ? 1 : 0);
	if (need > p->waiting) {
		hold(p, &h, (uint32_t)bytes);
		return wait_for(p, need);
	}
	put_frame(p, &o, (uint32_t)bytes);
	p->waiting -= need;
	return 1;
}

static void answer(struct pass *p)
{
	for (uint16_t i = 0; i < p->slots; i++) {
		struct net_rx_slot *slot = &p->s->rx[i];

		if (slot->seg < 0) {
			struct netif_extra_info x = {.type = XEN_NETIF_EXTRA_TYPE_GSO};

			x.u.gso.size = slot->gso_size;
			x.u.gso.type = slot->gso_type;
			ring_answer(&p->n->rx_ring, &x, sizeof(x));
			continue;
		}
		if (p->s->segs[slot->seg].status != GNTST_okay)
			slot->rsp.status = NETIF_RSP_ERROR;
		ring_answer(&p->n->rx_ring, &slot->rsp, sizeof(slot->rsp));
	}
}

/* If frames come one by one, each is taken without a second read of the TAP that would find
 * nothing. From time to time the TAP is read twice; if it had a second frame, batches are used
 * again. */
static void note_lone(struct netback *n, uint32_t frames)
{
	if (frames > 1)
		n->lone = 0;
	else if (frames == 1 && ++n->lone == LONE_FRAMES + LONE_PROBE)
		n->lone = LONE_FRAMES - 1;
}

int netback_rx(struct netback *n, struct err *e)
{
	struct pass p = {.n = n, .s = n->scratch};
	int32_t waiting = ring_waiting(&n->rx_ring);
	uint32_t frames = 0;
	int more;
	int rc;

	if (waiting < 0)
		return err_set(e, EPROTO, "impossible index in the rx ring");
	p.waiting = (uint32_t)waiting;
	n->rx_full = false;
	do {
		more = one(&p);
		frames += more == 1;
	} while (more == 1 && !(frames == 1 && n->lone >= LONE_FRAMES));
	note_lone(n, frames);
	if (p.segs > 0) {
		rc = n->seam->copy(n->seam->ctx, p.s->segs, p.segs);
		if (rc < 0)
			return err_sys(e, -rc, "copy to the guest");
		answer(&p);
		n->untold |= ring_publish(&n->rx_ring);
	}
	if (more == -EPROTO)
		return err_set(e, EPROTO, "impossible index in the rx ring");
	if (more < 0)
		return err_set(e, EIO, "the TAP was removed");
	/* Slots that came while the last frame was held back. */
	return more == 2 || (more == 0 && n->held && !n->rx_full);
}

/* --- both directions --- */

struct net_scratch *net_scratch_new(uint8_t *area)
{
	struct net_scratch *s = calloc(1, sizeof(*s));

	if (s)
		s->area = area;
	return s;
}

void net_scratch_free(struct net_scratch *s)
{
	free(s);
}

void netback_init(struct netback *n, void *tx_page, void *rx_page)
{
	ring_init(&n->tx_ring, tx_page, sizeof(struct netif_tx_request));
	ring_init(&n->rx_ring, rx_page, sizeof(struct netif_rx_request));
}

void netback_notify(struct netback *n)
{
	if (n->untold)
		n->seam->notify(n->seam->ctx, n->port);
	n->untold = false;
}

void netback_fini(struct netback *n)
{
	free(n->held);
	n->held = NULL;
}
