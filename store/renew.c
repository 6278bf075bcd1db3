/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes the journal again: in slices, while changes continue.
 *
 * A walk writes nodes, parents first, then connections, into a second file; each commit writes a
 * slice. Written nodes are marked, and later changes of them are also appended to the second
 * file. Changes of nodes that the walk has not reached are not. A new node whose parent is
 * marked is written at once, so that a marked node's parent is always marked.
 */
#include "store/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* --- writing --- */

static void append(struct store *s, struct store_record_head r, const struct store_part *part,
		   uint32_t nparts)
{
	struct store_journal *j = s->journal;

	if (j->next.map && !store_journal_append(&j->next, r, part, nparts))
		store_renew_end(s);
}

static void write_node(struct store *s, struct store_node *n)
{
	char path[STORE_PATH_MAX];
	struct store_part part[] = {
		{n->perms->perm, n->perms->n * (uint32_t)sizeof(struct store_perm)},
		{path, (uint32_t)store_node_path(n, path)},
		{n->value, n->len}};
	struct store_record_head r = {0, STORE_J_NODE, (uint16_t)n->perms->n, 0, part[1].len};

	n->round = s->journal->round;
	append(s, r, part, 3);
}

static void write_bytes(struct store *s, const struct store_conn *c, enum store_record type,
			const uint8_t *data, uint32_t len)
{
	struct store_record_head r = {0, (uint16_t)type, 0, c->domid, 0};
	struct store_part part = {data, len};

	if (len)
		append(s, r, &part, 1);
}

static void write_conn(struct store *s, struct store_conn *c)
{
	uint32_t pos[2] = {c->out_pos, c->next_tx};
	struct store_part part = {pos, sizeof(pos)};
	struct store_record_head r = {0, STORE_J_CONN, 0, c->domid, c->in_pos};
	const struct store_watch *w = NULL;

	c->round = s->journal->round;
	append(s, r, &part, 1);
	write_bytes(s, c, STORE_J_IN, c->in, c->in_len);
	write_bytes(s, c, STORE_J_OUT, c->out ? c->out + c->out_at : NULL, c->out_len);
	for (const struct store_tx *t = c->txs; t; t = t->hh.next) {
		r = (struct store_record_head){0, STORE_J_TX, 0, c->domid, t->id};
		append(s, r, NULL, 0);
	}
	DL_FOREACH2(c->watches, w, conn_next)
	{
		char path[STORE_PATH_MAX];
		struct store_part both[] = {{path, (uint32_t)store_node_path(w->at, path)},
					    {w->token, w->token_len}};

		r = (struct store_record_head){0, STORE_J_WATCH, w->relative, c->domid,
					       both[0].len};
		append(s, r, both, 2);
	}
}

/* --- the walk --- */

/* The next node in the order of the walk that is there; `below`: it may be one of n's. */
static struct store_node *step(struct store_node *n, bool below)
{
	do {
		if (below && n->first) {
			n = n->first;
		} else {
			while (n->parent && !n->next)
				n = n->parent;
			n = n->next;
		}
		below = false; /* of a place that is no node */
	} while (n && !n->perms);
	return n;
}

static struct store_conn *lasting(struct store_conn *c)
{
	while (c && !c->lasting)
		c = c->next;
	return c;
}

static bool finish(struct store *s)
{
	struct store_journal *j = s->journal;
	char path[512];
	bool kept; /* the one before, under the name of the spare one */

	store_journal_file_seal(&j->next);
	if (snprintf(path, sizeof(path), "%s.new", j->path) >= (int)sizeof(path)) {
		store_renew_end(s);
		return false;
	}
	kept = renameat2(AT_FDCWD, path, AT_FDCWD, j->path, RENAME_EXCHANGE) == 0;
	if (!kept && rename(path, j->path) < 0) {
		store_renew_end(s);
		return false;
	}
	j->spare = j->file;
	if (!kept)
		store_journal_file_drop(&j->spare);
	j->file = j->next;
	j->next = (struct store_journal_file){.fd = -1};
	j->renewed = j->file.end;
	return true;
}

/* True: the new file has taken the place of the one before. */
static bool slice(struct store *s, uint64_t bytes)
{
	struct store_journal *j = s->journal;
	uint64_t until = j->next.end + bytes;

	while (j->next.map && j->at && j->next.end < until) {
		struct store_node *n = j->at;

		if (n->round != j->round)
			write_node(s, n);
		else
			until--; /* looking is not free */
		if (j->next.map)
			j->at = step(n, true);
	}
	if (!j->at && !j->conns) {
		j->conns = true;
		j->conn = lasting(s->conns);
	}
	while (j->next.map && !j->at && j->conn && j->next.end < until) {
		struct store_conn *c = j->conn;

		write_conn(s, c);
		if (j->next.map)
			j->conn = lasting(c->next);
	}
	return j->next.map && !j->at && !j->conn && finish(s);
}

/* --- beginning and end --- */

int store_renew_begin(struct store *s)
{
	struct store_journal *j = s->journal;
	int rc = store_journal_spare(j);

	if (rc < 0) {
		j->renewed = j->file.end; /* not again at once */
		return rc;
	}
	j->next = j->spare;
	j->spare = (struct store_journal_file){.fd = -1};
	store_journal_file_begin(&j->next, j->epoch);
	j->round++;
	j->at = s->root;
	j->conn = NULL;
	j->conns = false;
	return 0;
}

void store_renew_end(struct store *s)
{
	struct store_journal *j = s->journal;

	if (!j->next.map)
		return;
	j->spare = j->next;
	j->next = (struct store_journal_file){.fd = -1};
	j->at = NULL;
	j->conn = NULL;
	j->renewed = j->file.end;
}

void store_renew_go_on(struct store *s)
{
	(void)slice(s, s->journal->slice);
}

int store_journal_renew(struct store *s)
{
	int rc;

	store_renew_end(s);
	rc = store_renew_begin(s);
	if (rc < 0)
		return rc;
	return slice(s, UINT64_MAX / 2) ? 0 : -ENOSPC;
}

/* --- changes meanwhile --- */

static bool is_below(const struct store_node *n, const struct store_node *top)
{
	while (n && n != top)
		n = n->parent;
	return n != NULL;
}

void store_renew_node(struct store *s, struct store_node *n, struct store_record_head r,
		      const struct store_part *part, uint32_t nparts)
{
	struct store_journal *j = s->journal;
	const struct store_node *known = r.type == STORE_J_NODE ? n->parent : n;

	if (r.type == STORE_J_RM && is_below(j->at, n))
		j->at = step(n, false);
	if (known->round != j->round)
		return;
	n->round = j->round;
	append(s, r, part, nparts);
}

void store_renew_conn(struct store *s, struct store_record_head r, const struct store_part *part,
		      uint32_t nparts)
{
	struct store_journal *j = s->journal;
	const struct store_domain *d = store_domain(s, r.domid, false);
	struct store_conn *c = d ? d->ring : NULL;

	if (!c)
		return;
	if (r.type == STORE_J_FORGET && c == j->conn)
		j->conn = lasting(c->next);
	else if (r.type == STORE_J_CONN && j->conns && !j->conn && c->round != j->round)
		j->conn = c; /* a new one; else the walk comes to it */
	if (c->round == j->round)
		append(s, r, part, nparts);
}
