/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections: bytes in, messages out, and what may wait. */
#include "store/private.h"

#include <errno.h>
#include <stdio.h>
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

static void unwake(struct store_conn *c)
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

		unwake(c);
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

static void charge(struct store_conn *c, uint64_t memory, bool add)
{
	store_charge(c->s, c->dom, (struct store_cost){memory, 0}, add);
}

bool store_conn_half(struct store_conn *c)
{
	if (c->in)
		return true;
	c->in = malloc(STORE_HEADER + STORE_PAYLOAD_MAX);
	if (c->in)
		charge(c, STORE_HEADER + STORE_PAYLOAD_MAX, true);
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

/* What a burst of output has left behind. */
static void give_room_back(struct store_conn *c)
{
	c->out_at = 0;
	if (c->out_room <= OUT_KEPT)
		return;
	charge(c, c->out_room, false);
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
	charge(c, room - c->out_room, true);
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

static uint32_t queue_max(const struct store_conn *c)
{
	uint32_t max = c->s->quota.queue_bytes;

	if (!store_is_guest(c->domid))
		return max * STORE_DOM0_QUEUE;
	return store_journal_refuses(c->s, c->dom->memory) ? OUT_KEPT : max;
}

/* The watch's last event waits still, and says the same: the reader will look after it. */
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
	if (c->out_len + STORE_HEADER + h.len > queue_max(c)) {
		c->dropped++;
		return;
	}
	w->queued = c->out_pos + c->out_len;
	w->has_queued = put(c, &h, part, 2) == 0;
	c->s->events++;
}

uint32_t store_conn_output(struct store_conn *c, const uint8_t **data)
{
	*data = c->out ? c->out + c->out_at : NULL;
	return store_is_stuck(c->s) ? 0 : c->out_len;
}

void store_conn_sent(struct store_conn *c, uint32_t n)
{
	if (n > c->out_len)
		n = c->out_len;
	if (n == 0)
		return;
	store_begin(c->s);
	c->out_at += n;
	c->out_pos += n;
	store_conn_waits(c, -(int64_t)n);
	if (c->out_len == 0)
		give_room_back(c);
	if (c->lasting)
		store_log(c->s, STORE_J_SENT, 0, c->domid, n, NULL, 0);
	if (c->stalled && c->out_len < queue_max(c)) {
		c->stalled = false;
		wake(c);
	}
	store_end(c->s);
}

/* --- input --- */

static void handle(struct store_conn *c, const struct xsd_sockmsg *h, const uint8_t *data)
{
	c->requests++;
	c->s->requests++;
	c->in_pos += STORE_HEADER + h->len;
	store_begin(c->s);
	store_handle(c, h, (const char *)data);
	if (c->lasting)
		store_log(c->s, STORE_J_DONE, 0, c->domid, c->in_pos, NULL, 0);
	store_end(c->s);
}

/* Fills the half message; 1: it is whole. */
static int complete(struct store_conn *c, const uint8_t *data, uint32_t len, uint32_t *took,
		    struct xsd_sockmsg *h)
{
	uint32_t want = STORE_HEADER;
	uint32_t n;

	if (!store_conn_half(c)) {
		c->over = true;
		return -EPROTO;
	}
	for (;;) {
		if (c->in_len >= STORE_HEADER) {
			memcpy(h, c->in, STORE_HEADER);
			if (h->len > STORE_PAYLOAD_MAX)
				return -EPROTO;
			want = STORE_HEADER + h->len;
			if (c->in_len == want)
				return 1;
		}
		n = want - c->in_len < len ? want - c->in_len : len;
		if (n == 0)
			return 0;
		memcpy(c->in + c->in_len, data, n);
		c->in_len += n;
		*took += n;
		data += n;
		len -= n;
	}
}

/* What is left of the input is the beginning of a message. */
static void log_half(struct store_conn *c, uint32_t before)
{
	struct store_part part = {c->in + before, c->in_len - before};

	if (!c->lasting || part.len == 0)
		return;
	store_begin(c->s);
	store_log(c->s, STORE_J_IN, 0, c->domid, 0, &part, 1);
	store_end(c->s);
}

/* One message, or the part of it that is there; 0 when it is not whole yet. */
static int take(struct store_conn *c, const uint8_t *data, uint32_t len, uint32_t *took)
{
	struct xsd_sockmsg h;
	uint32_t before = c->in_len;
	int rc;

	if (before == 0 && len >= STORE_HEADER) {
		memcpy(&h, data, STORE_HEADER);
		if (h.len > STORE_PAYLOAD_MAX)
			return -EPROTO;
		if (len - STORE_HEADER >= h.len) {
			*took = STORE_HEADER + h.len;
			handle(c, &h, data + STORE_HEADER);
			return 1;
		}
	}
	rc = complete(c, data, len, took, &h);
	if (rc == 0)
		log_half(c, before);
	if (rc == 1) {
		c->in_len = 0;
		handle(c, &h, c->in + STORE_HEADER);
	}
	return rc;
}

int store_conn_input(struct store_conn *c, const void *data, uint32_t len)
{
	const uint8_t *at = data;
	uint32_t took = 0;
	int rc = 1;

	if (c->over)
		return -EPROTO;
	if (c->busy)
		return 0;
	c->busy = true;
	while (rc == 1 && took < len && !c->over) {
		uint32_t n = 0;

		if (c->out_len >= queue_max(c) || store_is_stuck(c->s)) {
			c->stalled = true;
			break;
		}
		rc = take(c, at + took, len - took, &n);
		took += n;
	}
	c->busy = false;
	if (rc < 0)
		c->over = true;
	return c->over ? -EPROTO : (int)took;
}

/* --- life --- */

void store_conn_log(const struct store_conn *c)
{
	uint32_t pos[2] = {c->out_pos, c->next_tx};
	struct store_part part = {pos, sizeof(pos)};

	store_log(c->s, STORE_J_CONN, 0, c->domid, c->in_pos, &part, 1);
}

struct store_conn *store_conn_make(struct store *s, uint32_t domid, bool lasting)
{
	struct store_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->dom = store_domain(s, domid, true);
	if (!c->dom) {
		free(c);
		return NULL;
	}
	c->s = s;
	c->domid = domid;
	c->lasting = lasting;
	c->base_len = (uint32_t)snprintf(c->base, sizeof(c->base), "/local/domain/%u", domid);
	DL_APPEND(s->conns, c);
	s->nconns++;
	store_charge(s, c->dom, store_conn_cost(lasting), true);
	if (lasting) {
		c->dom->ring = c;
		store_conn_log(c);
	}
	return c;
}

int store_conn_new(struct store *s, uint32_t domid, bool lasting, const struct store_conn_ops *ops,
		   void *arg, struct store_conn **out, struct err *e)
{
	struct store_domain *d = store_domain(s, domid, false);
	struct store_conn *c = lasting && d ? d->ring : NULL;

	*out = NULL;
	if (c && c->attached)
		return err_set(e, EBUSY, "domain %u has a store connection already", domid);
	store_begin(s);
	if (!c)
		c = store_conn_make(s, domid, lasting);
	store_end(s);
	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	c->ops = *ops;
	c->arg = arg;
	c->attached = true;
	*out = c;
	return 0;
}

void store_conn_end(struct store_conn *c)
{
	struct store *s = c->s;
	struct store_domain *d = c->dom;

	store_begin(s);
	store_watches_clear(c);
	store_tx_clear(c);
	unwake(c);
	if (c->lasting) {
		store_log(s, STORE_J_FORGET, 0, c->domid, 0, NULL, 0);
		d->ring = NULL;
	}
	DL_DELETE(s->conns, c);
	s->nconns--;
	store_conn_waits(c, -(int64_t)c->out_len);
	charge(c, c->out_room + (c->in ? STORE_HEADER + STORE_PAYLOAD_MAX : 0), false);
	store_charge(s, d, store_conn_cost(c->lasting), false);
	free(c->in);
	free(c->out);
	free(c);
	store_domain_tidy(s, d);
	store_end(s);
}

void store_conn_close(struct store_conn *c)
{
	if (!c)
		return;
	unwake(c);
	c->attached = false;
	if (!c->lasting)
		store_conn_end(c);
}
