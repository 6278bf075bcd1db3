/* SPDX-License-Identifier: BSD-3-Clause */
/* Output of connections: what waits to be sent, what it is charged for, and waking their users. */
#include "store/private.h"

#include <errno.h>
#include <stdlib.h>

#define OUT_MIN	 1024u
#define OUT_STEP 16384u /* that it grows by, from there on */
#define OUT_KEPT 4096u	/* room that is kept when nothing waits; with a full journal, what may */

/* --- waking --- */

static void wake(struct store_conn *c)
{
	if (c->woken || c->busy || !c->attached || !c->ops.wake)
		return;
	c->woken = true;
	DL_APPEND2(c->s->waking, c, wake_prev, wake_next);
}

void store_unwake(struct store_conn *c)
{
	if (!c->woken)
		return;
	c->woken = false;
	DL_DELETE2(c->s->waking, c, wake_prev, wake_next);
}

void store_wakes_run(struct store *s)
{
	if (s->in_wakes || store_is_stuck(s))
		return;
	s->in_wakes = true;
	while (s->waking) {
		struct store_conn *c = s->waking;

		store_unwake(c);
		c->ops.wake(c, c->arg);
	}
	s->in_wakes = false;
}

void store_wake_all(struct store *s)
{
	struct store_conn *c = NULL;

	DL_FOREACH(s->conns, c)
	{
		c->stalled = false;
		wake(c);
	}
	store_wakes_run(s);
}

/* --- what it holds --- */

void store_conn_charge(struct store_conn *c, uint64_t memory, bool add)
{
	store_charge(c->s, c->dom, (struct store_cost){memory, 0}, add);
}

bool store_conn_half(struct store_conn *c)
{
	if (c->in)
		return true;
	c->in = malloc(STORE_HEADER + STORE_PAYLOAD_MAX);
	if (c->in)
		store_conn_charge(c, STORE_HEADER + STORE_PAYLOAD_MAX, true);
	return c->in != NULL;
}

void store_conn_waits(struct store_conn *c, int64_t bytes)
{
	c->out_len += (uint32_t)bytes;
	if (!c->lasting)
		return;
	c->s->queued += (uint64_t)bytes;
	store_charge(c->s, c->dom, (struct store_cost){0, (uint64_t)bytes}, true);
	c->s->live -= (uint64_t)bytes; /* it is counted above */
}

/* Frees the memory of a burst of output. */
static void return_room(struct store_conn *c)
{
	c->out_at = 0;
	if (c->out_room <= OUT_KEPT)
		return;
	store_conn_charge(c, c->out_room, false);
	free(c->out);
	c->out = NULL;
	c->out_room = 0;
}

/* --- output --- */

static bool make_room(struct store_conn *c, uint32_t len)
{
	uint32_t room = c->out_room ? c->out_room : OUT_MIN;
	uint8_t *grown;

	if (c->out_at + c->out_len + len <= c->out_room)
		return true;
	if (c->out_at) {
		memmove(c->out, c->out + c->out_at, c->out_len);
		c->out_at = 0;
	}
	while (room < c->out_len + len)
		room += room < OUT_STEP ? room : OUT_STEP;
	if (room == c->out_room)
		return true;
	grown = realloc(c->out, room);
	if (!grown)
		return false;
	store_conn_charge(c, room - c->out_room, true);
	c->out = grown;
	c->out_room = room;
	return true;
}

int store_conn_append(struct store_conn *c, const void *data, uint32_t len)
{
	if (!make_room(c, len))
		return -ENOMEM;
	if (len)
		memcpy(c->out + c->out_at + c->out_len, data, len);
	store_conn_waits(c, len);
	return 0;
}

/* A message from a header and up to two parts. */
static int put(struct store_conn *c, const struct xsd_sockmsg *h, const struct store_part *part,
	       uint32_t n)
{
	uint8_t *to;

	if (!make_room(c, STORE_HEADER + h->len)) {
		c->over = true;
		wake(c);
		return -ENOMEM;
	}
	to = c->out + c->out_at + c->out_len;
	memcpy(to, h, STORE_HEADER);
	for (uint32_t i = 0, at = STORE_HEADER; i < n; at += part[i++].len)
		if (part[i].len)
			memcpy(to + at, part[i].data, part[i].len);
	store_conn_waits(c, STORE_HEADER + h->len);
	if (c->lasting) {
		struct store_part whole = {to, STORE_HEADER + h->len};

		store_log(c->s, STORE_J_OUT, 0, c->domid, 0, &whole, 1);
	}
	wake(c);
	return 0;
}

int store_conn_put(struct store_conn *c, uint32_t type, uint32_t req, uint32_t tx, const void *data,
		   uint32_t len)
{
	struct xsd_sockmsg h = {type, req, tx, len};
	struct store_part part = {data, len};

	return put(c, &h, &part, 1);
}

uint32_t store_conn_queue_max(const struct store_conn *c)
{
	uint32_t max = c->s->quota.queue_bytes;

	if (!store_is_guest(c->domid))
		return max * STORE_DOM0_QUEUE;
	return store_journal_refuses(c->s, c->dom->memory) ? OUT_KEPT : max;
}

/* The last event of the watch was not sent yet, and is the same: the reader will look at the
 * tree after it. */
static bool waits_already(const struct store_watch *w, const char *path, uint32_t len)
{
	const struct store_conn *c = w->conn;
	uint32_t at = w->queued - c->out_pos;
	struct xsd_sockmsg h;

	if (!w->has_queued || at >= c->out_len || c->out_len - at < STORE_HEADER)
		return false;
	memcpy(&h, c->out + c->out_at + at, STORE_HEADER);
	return h.type == XS_WATCH_EVENT && h.len == len + w->token_len &&
	       at + STORE_HEADER + h.len <= c->out_len &&
	       memcmp(c->out + c->out_at + at + STORE_HEADER, path, len) == 0;
}

void store_conn_event(struct store_watch *w, const char *path)
{
	struct store_conn *c = w->conn;
	struct xsd_sockmsg h = {.type = XS_WATCH_EVENT};
	struct store_part part[2];

	if (w->relative) {
		path += c->base_len;
		path += *path == '/';
	}
	part[0] = (struct store_part){path, (uint32_t)strlen(path) + 1};
	part[1] = (struct store_part){w->token, w->token_len};
	h.len = part[0].len + part[1].len;
	if (h.len > STORE_PAYLOAD_MAX || c->over || waits_already(w, path, part[0].len))
		return;
	if (c->out_len + STORE_HEADER + h.len > store_conn_queue_max(c)) {
		c->dropped++;
		return;
	}
	w->queued = c->out_pos + c->out_len;
	w->has_queued = put(c, &h, part, 2) == 0;
	c->s->events++;
}

void store_conn_taken(struct store_conn *c, uint32_t n)
{
	c->out_at += n;
	c->out_pos += n;
	store_conn_waits(c, -(int64_t)n);
	if (c->out_len == 0)
		return_room(c);
	if (c->lasting)
		store_log(c->s, STORE_J_SENT, 0, c->domid, n, NULL, 0);
	if (c->stalled && c->out_len < store_conn_queue_max(c)) {
		c->stalled = false;
		wake(c);
	}
}
