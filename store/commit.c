/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a transaction: checks that the nodes it has read have not changed and that its
 * result is allowed; then makes all changes at once, in their order. */
#include "store/private.h"

#include <errno.h>
#include <stdlib.h>

static bool unchanged(struct store *s, const struct store_tx *t)
{
	if (t->doomed)
		return false;
	for (const struct tx_node *n = t->nodes; n; n = n->hh.next) {
		const struct store_node *base = store_find(s, n->path);

		if ((base ? base->gen : 0) != n->gen)
			return false;
	}
	return true;
}

/* How many more bytes the tree will have, at most. */
static uint64_t more_bytes(struct store *s, const struct store_tx *t)
{
	uint64_t more = 0;
	uint64_t less = 0;

	for (const struct tx_node *n = t->nodes; n; n = n->hh.next) {
		const struct store_node *base = store_find(s, n->path);

		if (n->exists && n->changed) {
			more += n->len;
			less += base ? base->len : 0;
			more += base ? 0 : strlen(strrchr(n->path, '/'));
		}
	}
	return more > less ? more - less : 0;
}

/* How much more its domain will have; the transaction's copies are freed. */
static bool may_commit(struct store *s, const struct store_conn *c, const struct store_tx *t)
{
	struct store_cost more = {0, 0};

	for (const struct tx_node *n = t->nodes; n; n = n->hh.next) {
		const struct store_node *base = store_find(s, n->path);
		uint32_t path_len = (uint32_t)strlen(n->path);
		struct store_cost cost;

		if (!n->exists || !n->changed)
			continue;
		cost = store_node_cost(n->perms->n, path_len,
				       path_len - (uint32_t)(strrchr(n->path, '/') - n->path) - 1,
				       n->len);
		more = store_cost_sum(more, cost);
		if (base && store_owns(base->perms, c->domid)) {
			cost = store_node_cost(base->perms->n, base->path_len, base->name_len,
					       base->len);
			more.memory -= cost.memory; /* below zero: it has less then */
			more.record -= cost.record;
		}
	}
	more.memory -= t->memory;
	return store_may_keep(c, more);
}

static int apply_one(struct store_conn *c, struct tx_node *tn)
{
	struct store *s = c->s;
	struct store_perms *old = NULL;
	struct store_node *n;
	bool made;
	int rc = store_make(s, tn->path, c->domid, tn->value, tn->len, &n, &made);

	if (rc == 0 && !made)
		rc = store_set_value(s, n, tn->path, tn->value, tn->len);
	if (rc == 0 && n->perms != tn->perms) {
		old = n->perms;
		old->refs++;
		tn->perms->refs++;
		rc = store_node_perms(s, n, tn->path, tn->perms);
	}
	if (rc == 0)
		store_tell(s, n, old, false, c->domid);
	store_perms_put(s, old);
	return rc;
}

static int by_order(const void *a, const void *b)
{
	const struct tx_node *const *x = a;
	const struct tx_node *const *y = b;

	return ((*x)->order > (*y)->order) - ((*x)->order < (*y)->order);
}

static int apply(struct store_conn *c, struct store_tx *t)
{
	struct tx_node **todo = calloc(t->n + 1u, sizeof(struct tx_node *));
	uint32_t n = 0;
	int rc = 0;

	if (!todo)
		return -ENOMEM;
	for (struct tx_node *tn = t->nodes; tn; tn = tn->hh.next) {
		struct store_node *base = tn->removed ? store_find(c->s, tn->path) : NULL;

		if (base)
			store_remove(c->s, base, c->domid);
		if (tn->exists && tn->changed)
			todo[n++] = tn;
	}
	qsort(todo, n, sizeof(struct tx_node *), by_order);
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = apply_one(c, todo[i]);
	free(todo);
	return rc;
}

int store_tx_end(struct store_conn *c, struct store_tx *t, bool commit)
{
	int rc = 0;

	if (commit && !unchanged(c->s, t))
		rc = -EAGAIN;
	if (commit && rc == 0)
		rc = store_may_own(c, t->made, more_bytes(c->s, t));
	if (commit && rc == 0 && !may_commit(c->s, c, t))
		rc = -ENOSPC;
	if (commit && rc == 0)
		rc = apply(c, t);
	store_tx_drop(c, t);
	return rc;
}
