/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest in memory for the ring cores: its pages by grant, and its end of a ring. */
#ifndef CHAOS_UNIT_BACKEND_GUEST_H
#define CHAOS_UNIT_BACKEND_GUEST_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "backend/ring.h"
#include "backend/seam.h"

#define GUEST_DOMID 7
#define GUEST_PAGES 320 /* grants 0.. */
#define GUEST_PORT  33

struct guest {
	uint8_t page[GUEST_PAGES][RING_PAGE];
	bool revoked[GUEST_PAGES];
	uint32_t notified;
	uint32_t copies; /* calls */
	int copy_rc;	 /* what the next ones return */
	struct backend_seam seam;
};

/* As Xen does it: a bad grant fails its segment alone. */
static inline int guest_copy(void *ctx, struct xengnttab_grant_copy_segment *segs, uint32_t n)
{
	struct guest *g = ctx;

	g->copies++;
	if (g->copy_rc < 0)
		return g->copy_rc;
	for (uint32_t i = 0; i < n; i++) {
		struct xengnttab_grant_copy_segment *s = &segs[i];
		bool from = s->flags & GNTCOPY_source_gref;
		const union xengnttab_copy_ptr *p = from ? &s->source : &s->dest;
		uint8_t *at;

		s->status = GNTST_okay;
		if (p->foreign.domid != GUEST_DOMID || p->foreign.ref >= GUEST_PAGES ||
		    g->revoked[p->foreign.ref] ||
		    (uint32_t)p->foreign.offset + s->len > RING_PAGE) {
			s->status = GNTST_bad_gntref;
			continue;
		}
		at = g->page[p->foreign.ref] + p->foreign.offset;
		if (from)
			memcpy(s->dest.virt, at, s->len);
		else
			memcpy(at, s->source.virt, s->len);
	}
	return 0;
}

static inline void guest_notify(void *ctx, uint32_t port)
{
	struct guest *g = ctx;

	if (port == GUEST_PORT)
		g->notified++;
}

static inline void guest_init(struct guest *g)
{
	memset(g, 0, sizeof(*g));
	g->seam = (struct backend_seam){guest_copy, guest_notify, g};
}

/* The guest's end: `size` entries of `entry` bytes in a page. */
struct front {
	struct ring_header *page;
	uint32_t size;
	uint32_t entry;
	uint32_t prod;
	uint32_t cons;
};

static inline void front_init(struct front *f, uint32_t size, uint32_t entry)
{
	static uint8_t room[4][RING_PAGE] __attribute__((aligned(4096)));
	static uint32_t next;

	memset(f, 0, sizeof(*f));
	f->page = (struct ring_header *)(void *)room[next++ % 4];
	memset(f->page, 0, RING_PAGE);
	f->page->req_event = f->page->rsp_event = 1;
	f->size = size;
	f->entry = entry;
}

static inline uint8_t *front_entry(struct front *f, uint32_t index)
{
	return (uint8_t *)f->page + RING_HEADER + (index % f->size) * f->entry;
}

static inline void front_put(struct front *f, const void *request, uint32_t len)
{
	memcpy(front_entry(f, f->prod++), request, len);
	f->page->req_prod = f->prod;
}

/* The next response; false when there is none. Asks for an event with the one after it. */
static inline bool front_get(struct front *f, void *response, uint32_t len)
{
	if (f->page->rsp_prod == f->cons)
		return false;
	memcpy(response, front_entry(f, f->cons++), len);
	f->page->rsp_event = f->cons + 1;
	return true;
}

#endif
