/* SPDX-License-Identifier: BSD-3-Clause */
/* Both ends of a ring; the host's takes the guest for hostile. */
#include "guests/linux/link/ring.h"

#include <errno.h>
#include <string.h>

#define load(p)		    __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p)	    __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store(p, v)	    __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define fence()		    __atomic_thread_fence(__ATOMIC_SEQ_CST)

static uint32_t padded(uint32_t len)
{
	return RING_HEAD + ((len + 7u) & ~7u);
}

void ring_init(struct ring *r, void *pages, bool host)
{
	struct ring_half *half = pages;
	uint8_t *data = (uint8_t *)pages + RING_PAGE;

	memset(r, 0, sizeof(*r));
	r->out = (struct ring_end){.half = half + host, .data = data + (host ? RING_SIZE : 0)};
	r->in = (struct ring_end){.half = half + !host, .data = data + (host ? 0 : RING_SIZE)};
}

void ring_move(struct ring *r, void *pages)
{
	uint32_t half = (uint32_t)(r->out.data > r->in.data); /* the host's end */
	uint32_t out = r->out.at;
	uint32_t in = r->in.at;
	uint8_t *copy = r->copy;

	ring_init(r, pages, half);
	r->copy = copy;
	r->out.at = out;
	r->out.seen = load_acquire(&r->out.half->cons);
	r->in.at = r->in.seen = in;
	if (copy)
		memcpy(r->out.data, copy, RING_SIZE);
}

static uint32_t free_bytes(struct ring *r)
{
	struct ring_end *e = &r->out;
	uint32_t used;

	e->seen = load_acquire(&e->half->cons);
	used = e->at - e->seen;
	if (used > RING_SIZE)
		r->broken = true;
	return r->broken ? 0 : RING_SIZE - used;
}

static uint32_t data_room(uint32_t bytes)
{
	return bytes < RING_HEAD + 8u ? 0 : (bytes - RING_HEAD) & ~7u;
}

uint32_t ring_room(struct ring *r)
{
	uint32_t room = data_room(RING_SIZE - (r->out.at - r->out.seen));

	return r->broken ? 0 : room >= RING_SIZE / 2 ? room : data_room(free_bytes(r));
}

static void pieces(struct ring_end *e, uint32_t at, uint32_t len, struct iovec to[2])
{
	uint32_t from = at % RING_SIZE;
	uint32_t first = len < RING_SIZE - from ? len : RING_SIZE - from;

	to[0] = (struct iovec){e->data + from, first};
	to[1] = (struct iovec){e->data, len - first};
}

int ring_place(struct ring *r, uint32_t most, struct iovec to[2])
{
	uint32_t room = ring_room(r);

	if (most > room)
		most = room;
	if (most > RING_RECORD)
		most = RING_RECORD;
	pieces(&r->out, r->out.at + RING_HEAD, most, to);
	return (int)most;
}

static void keep(struct ring *r, uint32_t len)
{
	uint32_t from = r->out.at % RING_SIZE;
	uint32_t first = len < RING_SIZE - from ? len : RING_SIZE - from;

	memcpy(r->copy + from, r->out.data + from, first);
	memcpy(r->copy, r->out.data, len - first);
}

bool ring_commit(struct ring *r, uint8_t type, uint8_t session, uint32_t len)
{
	struct ring_end *e = &r->out;
	uint8_t *head = e->data + e->at % RING_SIZE;

	store((uint32_t *)(void *)head, len);
	store((uint32_t *)(void *)(head + 4), (uint32_t)type | (uint32_t)session << 8);
	if (r->copy)
		keep(r, padded(len));
	e->at += padded(len);
	store_release(&e->half->prod, e->at);
	fence();
	if (!load(&e->half->wants_data))
		return false;
	store(&e->half->wants_data, 0);
	return true;
}

/* Bytes of whole records that are there. */
static uint32_t there(struct ring *r)
{
	struct ring_end *e = &r->in;
	uint32_t n = e->seen - e->at;

	if (n == 0) {
		e->seen = load_acquire(&e->half->prod);
		n = e->seen - e->at;
	}
	if (n > RING_SIZE || n % 8u)
		r->broken = true;
	return r->broken ? 0 : n;
}

int ring_next(struct ring *r, struct ring_record *out)
{
	struct ring_end *e = &r->in;
	uint32_t n = there(r);
	const uint8_t *head = e->data + e->at % RING_SIZE;
	uint32_t what;

	if (n == 0)
		return r->broken ? -EPROTO : 0;
	out->len = load((const uint32_t *)(const void *)head);
	what = load((const uint32_t *)(const void *)(head + 4));
	if (out->len > RING_RECORD || padded(out->len) > n || what >> 16) {
		r->broken = true;
		return -EPROTO;
	}
	out->type = (uint8_t)what;
	out->session = (uint8_t)(what >> 8);
	pieces(e, e->at + RING_HEAD, out->len, out->data);
	return 1;
}

bool ring_release(struct ring *r, const struct ring_record *rec)
{
	struct ring_end *e = &r->in;

	e->at += padded(rec->len);
	store_release(&e->half->cons, e->at);
	fence();
	if (!load(&e->half->wants_room) || load(&e->half->prod) - e->at > RING_SIZE / 2)
		return false;
	store(&e->half->wants_room, 0);
	return true;
}

bool ring_sleeps_for_data(struct ring *r)
{
	if (there(r) || r->broken)
		return false;
	store(&r->in.half->wants_data, 1);
	fence();
	return !there(r) && !r->broken;
}

bool ring_sleeps_for_room(struct ring *r, uint32_t len)
{
	if (ring_room(r) >= len || r->broken)
		return false;
	store(&r->out.half->wants_room, 1);
	fence();
	return data_room(free_bytes(r)) < len && !r->broken;
}

void ring_copy(void *to, const struct ring_record *rec, uint32_t from, uint32_t len)
{
	size_t split = rec->data[0].iov_len;
	size_t first = from >= split ? 0 : split - from < len ? split - from : len;

	if (first)
		memcpy(to, (const uint8_t *)rec->data[0].iov_base + from, first);
	from = from > split ? from - (uint32_t)split : 0;
	memcpy((uint8_t *)to + first, (const uint8_t *)rec->data[1].iov_base + from, len - first);
}
