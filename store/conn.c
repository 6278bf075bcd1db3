/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections: their life, bytes in, and bytes out. */
#include "store/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- output --- */

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
	store_conn_taken(c, n);
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

/* Completes the incomplete message; 1: it is complete. */
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

/* Handles a message, or the part of it that is there; 0 if it is not complete. */
static int handle_part(struct store_conn *c, const uint8_t *data, uint32_t len, uint32_t *took)
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

		if (c->out_len >= store_conn_queue_max(c) || store_is_stuck(c->s)) {
			c->stalled = true;
			break;
		}
		rc = handle_part(c, at + took, len - took, &n);
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
	store_unwake(c);
	if (c->lasting) {
		store_log(s, STORE_J_FORGET, 0, c->domid, 0, NULL, 0);
		d->ring = NULL;
	}
	DL_DELETE(s->conns, c);
	s->nconns--;
	store_conn_waits(c, -(int64_t)c->out_len);
	store_conn_charge(c, c->out_room + (c->in ? STORE_HEADER + STORE_PAYLOAD_MAX : 0), false);
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
	store_unwake(c);
	c->attached = false;
	if (!c->lasting)
		store_conn_end(c);
}
