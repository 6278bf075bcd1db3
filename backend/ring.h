/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend's end of a shared ring (Xen public/io/ring.h), in pages that a hostile guest can
 * write. */
#ifndef NOXS_BACKEND_RING_H
#define NOXS_BACKEND_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/shared.h"

#define RING_PAGE   4096u
#define RING_HEADER 64u /* bytes before the entries */

/* The beginning of every ring page. */
struct ring_header {
	uint32_t req_prod;
	uint32_t req_event;
	uint32_t rsp_prod;
	uint32_t rsp_event;
	uint8_t reserved[RING_HEADER - 16];
};
_Static_assert(sizeof(struct ring_header) == RING_HEADER, "ring header");

/* The backend's indices are kept here. Those in the page are only written, never read back, so
 * that a guest cannot change them. */
struct ring {
	struct ring_header *page;
	uint32_t size;	   /* entries, a power of two */
	uint32_t entry;	   /* bytes an entry: the larger of request and response */
	uint32_t req_cons; /* requests that were read */
	uint32_t rsp_prod; /* responses that were written; they may not be published yet */
	uint32_t rsp_shown;
};

/* Initialises it for a mapped ring page. `entry`: bytes. It continues at the response index in
 * the page, so that a restarted backend answers the requests that were open; in a new page that
 * index is zero. */
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

/* Whether the last backend had answered all requests that it had read. (It had read those before
 * the event index that it has set.) If requests are open in a ring that is answered out of
 * order, the device cannot continue. */
static inline bool ring_was_idle(const struct ring *r)
{
	return shared_load(&r->page->req_event) == r->rsp_prod + 1;
}

/* Number of unread requests, 0..size; -1 if the guest's index is impossible: more requests than
 * the ring holds beyond those that were answered. */
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

/* Copies the next request, of `len` <= entry bytes. ring_waiting() must have returned > 0. */
static inline void ring_take(struct ring *r, void *request, uint32_t len)
{
	shared_read(request, ring_entry(r, r->req_cons), len);
	r->req_cons++;
}

/* Writes the next response; there is always room, because each request gets one response. */
static inline void ring_answer(struct ring *r, const void *response, uint32_t len)
{
	shared_write(ring_entry(r, r->rsp_prod), response, len);
	r->rsp_prod++;
}

/* Like ring_answer(), and makes the response visible to the guest; ring_publish() sends the
 * event. For rings that another process may continue: it would take a response that is written
 * but not visible for a request. */
static inline void ring_answer_shown(struct ring *r, const void *response, uint32_t len)
{
	ring_answer(r, response, len);
	shared_store_release(&r->page->rsp_prod, r->rsp_prod);
}

/* Publishes the responses; true if the guest has requested an event for one of them. */
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

/* Requests an event when `more` requests are there, and returns whether they are there already
 * (then no event may come). -1 as in ring_waiting(). */
static inline int ring_ask(struct ring *r, uint32_t more)
{
	int32_t n;

	shared_store(&r->page->req_event, r->req_cons + more);
	shared_fence();
	n = ring_waiting(r);
	return n < 0 ? -1 : n >= (int32_t)more;
}

#endif
