/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a journal: every record is checked like data from outside. */
#include "store/private.h"

#include <errno.h>
#include <stdlib.h>

#define PERMS_MOST 256u

struct record {
	struct store_record_head h;
	const uint8_t *data;
	uint32_t len;
	char path[STORE_PATH_MAX];
};

/* A path of `len` bytes at `at`, checked, into r->path. */
static int take_path(struct record *r, uint32_t at, uint32_t len)
{
	if (at > r->len || len > r->len - at || len >= sizeof(r->path))
		return -EBADMSG;
	memcpy(r->path, r->data + at, len);
	r->path[len] = '\0';
	if (strlen(r->path) != len)
		return -EBADMSG;
	return *r->path == '@' || store_path_ok(r->path, len) ? 0 : -EBADMSG;
}

static int take_perms(const struct record *r, struct store_perm perm[PERMS_MOST])
{
	if (r->h.n == 0 || r->h.n > PERMS_MOST || r->h.n * sizeof(*perm) > r->len)
		return -EBADMSG;
	memcpy(perm, r->data, r->h.n * sizeof(*perm));
	for (uint32_t i = 0; i < r->h.n; i++)
		if ((uint32_t)perm[i].access > STORE_BOTH)
			return -EBADMSG;
	return 0;
}

static int do_node(struct store *s, struct record *r)
{
	struct store_perm perm[PERMS_MOST];
	uint32_t at = r->h.n * (uint32_t)sizeof(*perm);
	int rc = take_perms(r, perm);

	if (rc == 0)
		rc = take_path(r, at, r->h.value);
	if (rc < 0 || *r->path == '@')
		return -EBADMSG;
	at += r->h.value;
	return store_restore_node(s, r->path, perm, r->h.n, r->data + at, r->len - at);
}

static int do_value(struct store *s, struct record *r)
{
	int rc = take_path(r, 0, r->h.value);
	struct store_node *n = rc < 0 || *r->path == '@' ? NULL : store_find(s, r->path);

	if (!n)
		return -EBADMSG;
	return store_set_value(s, n, r->path, r->data + r->h.value, r->len - r->h.value);
}

static int do_perms(struct store *s, struct record *r)
{
	struct store_perm perm[PERMS_MOST];
	uint32_t at = r->h.n * (uint32_t)sizeof(*perm);
	struct store_perms *p;
	struct store_node *n;
	int rc = take_perms(r, perm);

	if (rc == 0)
		rc = take_path(r, at, r->h.value);
	n = rc < 0 || *r->path == '@' ? NULL : store_find(s, r->path);
	if (!n)
		return -EBADMSG;
	p = store_perms_new(s, perm, r->h.n);
	return p ? store_node_perms(s, n, r->path, p) : -ENOMEM;
}

static int do_rm(struct store *s, struct record *r)
{
	int rc = take_path(r, 0, r->len);
	struct store_node *n = rc < 0 || *r->path == '@' ? NULL : store_find(s, r->path);

	if (!n || !n->parent)
		return -EBADMSG;
	store_remove(s, n, STORE_NO_DOMAIN);
	return 0;
}

static struct store_conn *conn_of(struct store *s, const struct record *r)
{
	struct store_domain *d = store_domain(s, r->h.domid, false);

	return d ? d->ring : NULL;
}

static int do_conn(struct store *s, struct record *r)
{
	struct store_conn *c = conn_of(s, r);
	uint32_t pos[2];

	if (r->len != sizeof(pos) || r->h.domid > 0x7fff)
		return -EBADMSG;
	if (!c)
		c = store_conn_make(s, r->h.domid, true);
	if (!c)
		return -ENOMEM;
	memcpy(pos, r->data, sizeof(pos));
	c->in_pos = r->h.value;
	c->out_pos = pos[0];
	c->next_tx = pos[1];
	c->replayed = true;
	return 0;
}

static int do_in(struct store_conn *c, const struct record *r)
{
	if (r->len > STORE_HEADER + STORE_PAYLOAD_MAX - c->in_len)
		return -EBADMSG;
	if (!store_conn_half(c))
		return -ENOMEM;
	memcpy(c->in + c->in_len, r->data, r->len);
	c->in_len += r->len;
	return 0;
}

static int do_sent(struct store_conn *c, const struct record *r)
{
	if (r->h.value > c->out_len)
		return -EBADMSG;
	c->out_at += r->h.value;
	c->out_pos += r->h.value;
	store_conn_waits(c, -(int64_t)r->h.value);
	return 0;
}

static int do_watch(struct store_conn *c, struct record *r, bool add)
{
	const char *token;
	int rc = take_path(r, 0, r->h.value);
	uint32_t left = rc < 0 ? 0 : r->len - r->h.value;

	if (left == 0 || r->data[r->len - 1] != '\0')
		return -EBADMSG;
	token = (const char *)r->data + r->h.value;
	if (r->h.n && (strncmp(r->path, c->base, c->base_len) != 0 ||
		       (r->path[c->base_len] != '\0' && r->path[c->base_len] != '/')))
		return -EBADMSG;
	rc = add ? store_watch_add(c, r->path, r->h.n != 0, token)
		 : store_watch_remove(c, r->path, token);
	return rc == -ENOMEM || rc == 0 ? rc : -EBADMSG;
}

static int do_tx(struct store_conn *c, const struct record *r, bool begin)
{
	struct store_tx *t = store_tx_find(c, r->h.value);

	if (begin == (t != NULL))
		return -EBADMSG;
	if (!begin)
		return store_tx_end(c, t, false);
	c->next_tx = r->h.value;
	return store_tx_start(c, r->h.value, &t);
}

static int do_conn_record(struct store *s, struct record *r)
{
	struct store_conn *c = conn_of(s, r);

	if (!c)
		return -EBADMSG;
	switch (r->h.type) {
	case STORE_J_FORGET:
		store_conn_end(c);
		return 0;
	case STORE_J_IN:
		return do_in(c, r);
	case STORE_J_DONE:
		c->in_len = 0;
		c->in_pos = r->h.value;
		return 0;
	case STORE_J_OUT:
		return store_conn_append(c, r->data, r->len);
	case STORE_J_SENT:
		return do_sent(c, r);
	case STORE_J_WATCH:
		return do_watch(c, r, true);
	case STORE_J_UNWATCH:
		return do_watch(c, r, false);
	case STORE_J_RESET:
		store_watches_clear(c);
		return 0;
	case STORE_J_TX:
		return do_tx(c, r, true);
	case STORE_J_TX_END:
		return do_tx(c, r, false);
	default:
		return -EBADMSG;
	}
}

static int one(struct store *s, struct record *r)
{
	switch (r->h.type) {
	case STORE_J_NODE:
		return do_node(s, r);
	case STORE_J_VALUE:
		return do_value(s, r);
	case STORE_J_PERMS:
		return do_perms(s, r);
	case STORE_J_RM:
		return do_rm(s, r);
	case STORE_J_CONN:
		return do_conn(s, r);
	default:
		return do_conn_record(s, r);
	}
}

/* Our journals never have an incomplete message that is not valid, or is complete. */
static bool half_ok(const struct store_conn *c)
{
	struct xsd_sockmsg h;

	if (c->in_len < STORE_HEADER)
		return true;
	memcpy(&h, c->in, STORE_HEADER);
	return h.len <= STORE_PAYLOAD_MAX && c->in_len < STORE_HEADER + h.len;
}

static int finish(struct store *s)
{
	struct store_conn *c = NULL;

	DL_FOREACH(s->conns, c)
	{
		if (!half_ok(c))
			return -EBADMSG;
		for (struct store_tx *t = c->txs; t; t = t->hh.next)
			t->doomed = true;
	}
	return 0;
}

int store_replay(struct store *s, const uint8_t *data, uint64_t len)
{
	struct record r;
	int rc = 0;

	s->replaying = true;
	store_begin(s);
	while (rc == 0 && len > 0) {
		uint64_t whole;

		rc = -EBADMSG;
		if (len < sizeof(r.h))
			break;
		memcpy(&r.h, data, sizeof(r.h));
		whole = ((uint64_t)r.h.bytes + 7) & ~7ull;
		if (r.h.bytes < sizeof(r.h) || whole > len)
			break;
		r.data = data + sizeof(r.h);
		r.len = r.h.bytes - (uint32_t)sizeof(r.h);
		rc = one(s, &r);
		data += whole;
		len -= whole;
	}
	if (rc == 0)
		rc = finish(s);
	store_end(s);
	s->replaying = false;
	return rc;
}
