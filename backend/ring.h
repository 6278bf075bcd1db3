/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend's end of a shared ring (Xen public/io/ring.h), for pages a hostile guest writes. */
#ifndef NOXS_BACKEND_RING_H
#define NOXS_BACKEND_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/shared.h"

#define RING_PAGE   4096u
#define RING_HEADER 64u /* bytes in front of the entries */

/* What lies at the start of every ring page. */
struct ring_header {
	uint32_t req_prod;
	uint32_t req_event;
	uint32_t rsp_prod;
	uint32_t rsp_event;
	uint8_t reserved[RING_HEADER - 16];
};
_Static_assert(sizeof(struct ring_header) == RING_HEADER, "ring header");

/* Indices of ours live here, never in the page: what the guest writes over them there is not read
 * back. */
struct ring {
	struct ring_header *page;
	uint32_t size;	   /* entries, a power of two */
	uint32_t entry;	   /* bytes an entry: the larger of request and response */
	uint32_t req_cons; /* requests taken */
	uint32_t rsp_prod; /* responses written, perhaps not yet published */
	uint32_t rsp_shown;
};

/*
 * Takes over a mapped ring page. `entry`: bytes. Goes on where the page says responses ended, so
 * that a backend that is started again answers what its predecessor left open; a fresh page starts
 * at zero.
 */
static inline void ring_init(struct ring *r, void *page, uint32_t entry)
{
	uint32_t room = (RING_PAGE - RING_HEADER) / entry;

	r->page = page;
	r->entry = entry;
	r->size = 1;
	while (r->size * 2 <= room)
		r->size *= 2;
	r->req_cons = r->rsp_prod = r->rsp_shown = shared_load(&r->page->rsp_prod);
}

/* Has the backend before us answered all requests it had taken? It took those before what it asked
 * to be told of. When it ended with some open, a ring answered out of order cannot go on. */
static inline bool ring_was_idle(const struct ring *r)
{
	return shared_load(&r->page->req_event) == r->rsp_prod + 1;
}

/* Requests that wait, 0..size; -1 when the guest's index is impossible: more requests than the ring
 * holds beyond what was answered. */
static inline int32_t ring_waiting(const struct ring *r)
{
	uint32_t prod = shared_load_acquire(&r->page->req_prod);

	if (prod - r->rsp_prod > r->size || prod - r->req_cons > r->size)
		return -1;
	return (int32_t)(prod - r->req_cons);
}

static inline uint8_t *ring_entry(const struct ring *r, uint32_t index)
{
	return (uint8_t *)r->page + RING_HEADER + (index & (r->size - 1)) * r->entry;
}

/* Copies the next request of `len` <= entry bytes out and takes it. ring_waiting() said > 0. */
static inline void ring_take(struct ring *r, void *request, uint32_t len)
{
	shared_read(request, ring_entry(r, r->req_cons), len);
	r->req_cons++;
}

/* Writes the next response; there is room as long as each request gets one. */
static inline void ring_answer(struct ring *r, const void *response, uint32_t len)
{
	shared_write(ring_entry(r, r->rsp_prod), response, len);
	r->rsp_prod++;
}

/* As ring_answer(), and the guest may see it; it is told by ring_publish(). For rings that another
 * process may go on with: what was written and not shown it would take for a request. */
static inline void ring_answer_shown(struct ring *r, const void *response, uint32_t len)
{
	ring_answer(r, response, len);
	shared_store_release(&r->page->rsp_prod, r->rsp_prod);
}

/* Publishes the responses; true when the guest asked to be told of one of them. */
static inline bool ring_publish(struct ring *r)
{
	uint32_t news = r->rsp_prod - r->rsp_shown;
	uint32_t event;

	if (news == 0)
		return false;
	shared_store_release(&r->page->rsp_prod, r->rsp_prod);
	r->rsp_shown = r->rsp_prod;
	shared_fence();
	event = shared_load(&r->page->rsp_event);
	return r->rsp_prod - event < news;
}

/* Asks for an event once `more` requests wait, and says whether they already do (then none may
 * come). -1 as ring_waiting(). */
static inline int ring_ask(struct ring *r, uint32_t more)
{
	int32_t n;

	shared_store(&r->page->req_event, r->req_cons + more);
	shared_fence();
	n = ring_waiting(r);
	return n < 0 ? -1 : n >= (int32_t)more;
}

#endif
