/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of a domain that stay mapped: in pieces, a bounded number of them. */
#include "libdom/live_maps.h"

#include <errno.h>
#include <stdlib.h>

#include "libdom/save.h"

int live_maps_open(struct live_maps *m, uint64_t pages, struct err *e)
{
	m->pieces = (pages + LIVE_PIECE - 1) / LIVE_PIECE;
	m->piece = calloc(m->pieces + 1, sizeof(*m->piece));
	return m->piece ? 0 : err_set(e, ENOMEM, "out of memory");
}

static void unmap(struct xen *x, struct live_maps *m, struct live_piece *p)
{
	xen_unmap(x, p->at, p->pages);
	p->at = NULL;
	m->kept--;
}

/* The next one that is mapped, in turn; not of this batch, unless `any`. */
static struct live_piece *find(struct live_maps *m, bool any)
{
	for (uint64_t i = 0; m->kept && i < m->pieces; i++) {
		struct live_piece *p = &m->piece[m->next];

		m->next = (m->next + 1) % m->pieces;
		if (p->at && (any || p->used != m->batch))
			return p;
	}
	return NULL;
}

int live_map(struct xen *x, struct live_maps *m, uint64_t i, uint32_t pages, const xen_pfn_t *frame,
	     uint8_t **out, struct err *e)
{
	struct live_piece *p = &m->piece[i];
	int rc;

	p->used = m->batch;
	*out = p->at;
	if (p->at)
		return 0;
	if (m->kept >= LIVE_KEPT) {
		struct live_piece *old = find(m, false);

		if (old)
			unmap(x, m, old);
	}
	rc = xen_map(x, m->domid, m->writable, pages, frame, (void **)&p->at);
	if (rc < 0)
		return err_sys(e, -rc, "map %u pages of domain %u", pages, m->domid);
	p->pages = pages;
	m->kept++;
	*out = p->at;
	return 0;
}

bool live_unmap_one(struct xen *x, struct live_maps *m)
{
	struct live_piece *p = m->piece ? find(m, true) : NULL;

	if (p)
		unmap(x, m, p);
	return p != NULL;
}

void live_maps_free(struct live_maps *m)
{
	free(m->piece);
	m->piece = NULL;
}

struct live_maps *live_maps_new(uint32_t domid, bool writable, uint64_t pages)
{
	struct live_maps *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->domid = domid;
	m->writable = writable;
	if (live_maps_open(m, pages, NULL) == 0)
		return m;
	free(m);
	return NULL;
}

bool save_unmap(struct xen *x, struct live_maps *m)
{
	if (!m || live_unmap_one(x, m))
		return m != NULL;
	live_maps_free(m);
	free(m);
	return false;
}
