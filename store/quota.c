/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much the store keeps for each domain, and how much more it may.
 *
 * Everything is charged: nodes, their permissions and paths, watches and places for them,
 * transactions with their copies, incomplete messages, and unsent output. What is in the journal
 * is also charged for both of its files.
 */
#include "store/private.h"

#include <errno.h>

#define CHUNK 32u /* that malloc() and a hash table add to each piece of memory */
#define SLACK STORE_VALUE_SLACK
#define FILES 2u

void store_charge(struct store *s, struct store_domain *d, struct store_cost c, bool add)
{
	uint64_t all = c.memory + FILES * c.record;

	d->memory += add ? all : -all;
	s->live += add ? c.record : -c.record;
}

bool store_may_keep(const struct store_conn *c, struct store_cost more)
{
	uint64_t then = c->dom->memory + more.memory + FILES * more.record;

	if (!store_is_guest(c->domid) || c->s->replaying)
		return true;
	return then <= c->s->quota.memory && !store_journal_refuses(c->s, then);
}

struct store_cost store_cost_sum(struct store_cost a, struct store_cost b)
{
	return (struct store_cost){a.memory + b.memory, a.record + b.record};
}

/* --- of each kind --- */

/* A domain that others name is remembered, whether it exists or not. */
struct store_cost store_perms_cost(uint32_t n)
{
	return (struct store_cost){.memory = sizeof(struct store_perms) + CHUNK +
					     n * sizeof(struct store_perm) +
					     (n - 1) * (sizeof(struct store_domain) + CHUNK),
				   .record = n * sizeof(struct store_perm)};
}

struct store_cost store_node_cost(uint32_t nperms, uint32_t path_len, uint32_t name_len,
				  uint32_t len)
{
	struct store_cost c = store_perms_cost(nperms);

	c.memory += sizeof(struct store_node) + CHUNK + name_len;
	c.memory += len ? len + SLACK + CHUNK : 0;
	c.record += STORE_RECORD + path_len + len;
	return c;
}

struct store_cost store_watch_cost(const char *path, uint32_t token_len)
{
	uint32_t names = 0;
	uint32_t len = 0;

	for (; path[len]; len++)
		names += path[len] == '/';
	return (struct store_cost){.memory = sizeof(struct store_watch) + CHUNK + token_len +
					     names * (sizeof(struct store_node) + CHUNK) + len,
				   .record = STORE_RECORD + len + token_len};
}

struct store_cost store_conn_cost(bool lasting)
{
	return (struct store_cost){.memory = sizeof(struct store_conn) + CHUNK,
				   .record = lasting ? 2 * STORE_RECORD : 0};
}

/* A table of its own, with the first items in it. */
#define TABLE (sizeof(UT_hash_table) + 32u * sizeof(UT_hash_bucket) + 2u * CHUNK)

struct store_cost store_tx_cost(void)
{
	return (struct store_cost){.memory = sizeof(struct store_tx) + CHUNK + TABLE,
				   .record = STORE_RECORD};
}

struct store_cost store_tx_node_cost(uint32_t nodes, uint64_t bytes)
{
	/* The node, its value, its list of names; and a place in what is sorted at the end. */
	return (struct store_cost){
		.memory = nodes * (sizeof(struct tx_node) + sizeof(void *) + 3u * CHUNK) + bytes};
}

/* --- nodes --- */

bool store_account(struct store *s, const struct store_node *n, const struct store_perms *p,
		   bool add)
{
	struct store_domain *d = store_domain(s, p->perm[0].domid, add);
	uint64_t bytes = n->name_len + n->len;

	if (!d)
		return false;
	d->nodes += add ? 1 : -1u;
	d->bytes += add ? bytes : -bytes;
	s->nodes += add ? 1 : -1ull;
	store_charge(s, d, store_node_cost(p->n, n->path_len, n->name_len, n->len), add);
	if (!add)
		store_domain_tidy(s, d);
	return true;
}

int store_may_own(const struct store_conn *c, uint64_t nodes, uint64_t bytes)
{
	const struct store_quota *q = &c->s->quota;

	if (!store_is_guest(c->domid))
		return 0;
	if (c->dom->nodes + nodes > q->nodes)
		return -ENOSPC;
	return c->dom->bytes + bytes > q->bytes ? -ENOMEM : 0;
}
