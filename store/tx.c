/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transactions: copies of nodes, changed in private.
 *
 * A transaction keeps a copy of every node that it has read, and the generation of the original.
 * At its end all generations must be unchanged; then its changes are made at once.
 */
#include "store/private.h"

#include <errno.h>
#include <stdlib.h>

/* Nodes that a guest's transaction may have read beyond those it may own. */
#define SEEN_MORE 256u

/* --- a transaction's nodes --- */

static void free_node(struct store *s, struct store_tx *t, struct tx_node *n)
{
	HASH_DEL(t->nodes, n); /* NOLINT(clang-analyzer-unix.Malloc) */
	store_perms_put(s, n->perms);
	free(n->value);
	free(n->names);
	free(n);
}

static int charge(const struct store_conn *c, struct store_tx *t, struct store_cost cost)
{
	if (!store_may_keep(c, cost))
		return -ENOSPC;
	t->memory += cost.memory;
	store_charge(c->s, c->dom, cost, true);
	return 0;
}

/* Charges its growth. A guest's transaction is limited, so this is called before memory is
 * allocated. */
static int grow(const struct store_conn *c, struct store_tx *t, uint32_t nodes, uint64_t bytes)
{
	const struct store_quota *q = &c->s->quota;
	int rc = 0;

	if (store_is_guest(c->domid) &&
	    (t->n + nodes > q->nodes + SEEN_MORE || t->bytes + bytes > 2 * q->bytes))
		return -ENOSPC;
	rc = charge(c, t, store_tx_node_cost(nodes, bytes));
	if (rc < 0)
		return rc;
	t->n += nodes;
	t->bytes += bytes;
	return 0;
}

/* A list of permissions of its own. */
static int grow_perms(const struct store_conn *c, struct store_tx *t, uint32_t n)
{
	return charge(c, t, (struct store_cost){store_perms_cost(n).memory, 0});
}

static int copy_node(struct tx_node *to, const struct store_node *from)
{
	to->value = malloc(from->len + 1u);
	if (!to->value)
		return -ENOMEM;
	if (from->len)
		memcpy(to->value, from->value, from->len);
	to->value[from->len] = '\0';
	to->len = from->len;
	to->gen = from->gen;
	to->exists = true;
	to->perms = from->perms;
	to->perms->refs++;
	return 0;
}

int store_tx_node(struct store_conn *c, struct store_tx *t, const char *path, struct tx_node **out)
{
	size_t len = strlen(path) + 1;
	struct store_node *base;
	struct tx_node *n = NULL;
	int rc;

	HASH_FIND(hh, t->nodes, path, len - 1, n);
	*out = n;
	if (n)
		return 0;
	base = store_find(c->s, path);
	rc = grow(c, t, 1, len + (base ? base->len : 0));
	if (rc < 0)
		return rc;
	n = calloc(1, sizeof(*n) + len);
	if (!n)
		return -ENOMEM;
	memcpy(n->path, path, len);
	if (base && copy_node(n, base) < 0) {
		free(n);
		return -ENOMEM;
	}
	HASH_ADD(hh, t->nodes, path[0], (unsigned int)(len - 1), n);
	*out = n;
	return 0;
}

int store_tx_list(struct store_conn *c, struct store_tx *t, struct tx_node *n)
{
	uint32_t len;
	int rc;

	if (n->listed)
		return 0;
	rc = store_tree_names(c->s, n->removed || !n->gen ? NULL : store_find(c->s, n->path), &len);
	if (rc == 0)
		rc = grow(c, t, 0, len);
	if (rc < 0)
		return rc;
	n->names = malloc(len + 1u);
	if (!n->names)
		return -ENOMEM;
	memcpy(n->names, c->s->scratch, len);
	n->names_len = len;
	n->listed = true;
	return 0;
}

static int add_name(struct store_conn *c, struct store_tx *t, struct tx_node *parent,
		    const char *name)
{
	uint32_t len = (uint32_t)strlen(name) + 1;
	int rc = store_tx_list(c, t, parent);
	char *names;

	if (rc == 0)
		rc = grow(c, t, 0, len);
	if (rc < 0)
		return rc;
	names = realloc(parent->names, parent->names_len + len);
	if (!names)
		return -ENOMEM;
	memcpy(names + parent->names_len, name, len);
	parent->names = names;
	parent->names_len += len;
	return 0;
}

static void drop_name(struct tx_node *parent, const char *name)
{
	uint32_t len = (uint32_t)strlen(name) + 1;

	for (uint32_t at = 0; at < parent->names_len;
	     at += (uint32_t)strlen(parent->names + at) + 1) {
		if (strcmp(parent->names + at, name) != 0)
			continue;
		memmove(parent->names + at, parent->names + at + len, parent->names_len - at - len);
		parent->names_len -= len;
		return;
	}
}

/* Cuts the last name off; "/" stays. Returns the name, which has its NUL still. */
const char *store_cut(char *path)
{
	char *slash = strrchr(path, '/');

	*slash = '\0';
	return slash + 1;
}

/* --- changing --- */

/* Makes a node of the picture; its parent exists there. */
static int tx_make(struct store_conn *c, struct store_tx *t, struct tx_node *n)
{
	char path[STORE_PATH_MAX];
	struct tx_node *parent;
	struct store_perms *perms;
	const char *name;
	int rc;

	store_path_copy(path, n->path);
	name = store_cut(path);
	rc = store_tx_node(c, t, store_or_root(path), &parent);
	if (rc == 0)
		rc = store_may_own(c, t->made + 1, t->bytes);
	if (rc == 0)
		rc = grow_perms(c, t, parent->perms->n);
	if (rc < 0)
		return rc;
	perms = store_perms_inherit(c->s, parent->perms, c->domid);
	rc = perms ? add_name(c, t, parent, name) : -ENOMEM;
	if (rc < 0) {
		store_perms_put(c->s, perms);
		return rc;
	}
	t->made++;
	store_perms_put(c->s, n->perms);
	n->perms = perms;
	free(n->value);
	n->value = NULL;
	n->len = 0;
	n->exists = true;
	n->changed = true;
	n->order = ++t->order;
	free(n->names); /* it is empty now, whatever was there */
	n->names = malloc(1);
	n->names_len = 0;
	n->listed = true;
	return n->names ? 0 : -ENOMEM;
}

/* Makes what is missing above a path, from the top down. */
static int tx_parents(struct store_conn *c, struct store_tx *t, const char *path)
{
	char at[STORE_PATH_MAX];
	struct tx_node *n;
	int rc = 0;

	store_path_copy(at, path);
	for (char *p = at + 1; rc == 0 && (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		rc = store_tx_node(c, t, at, &n);
		if (rc == 0 && !n->exists)
			rc = tx_make(c, t, n);
	}
	return rc;
}

int store_tx_write(struct store_conn *c, struct store_tx *t, const char *path, const void *data,
		   uint32_t len, bool keep)
{
	struct tx_node *n;
	char *value;
	int rc = store_tx_node(c, t, path, &n);

	if (rc < 0 || (n->exists && keep))
		return rc;
	rc = grow(c, t, 0, len);
	if (rc < 0)
		return rc;
	if (!n->exists) {
		rc = tx_parents(c, t, path);
		if (rc == 0)
			rc = tx_make(c, t, n);
		if (rc < 0)
			return rc;
	}
	value = malloc(len + 1u);
	if (!value)
		return -ENOMEM;
	if (len)
		memcpy(value, data, len);
	value[len] = '\0';
	free(n->value);
	n->value = value;
	n->len = len;
	if (!n->changed)
		n->order = ++t->order;
	n->changed = true;
	return 0;
}

/* Everything at and below `path`, which is changed and put back. */
static int tx_remove_all(struct store_conn *c, struct store_tx *t, char path[STORE_PATH_MAX])
{
	size_t len = strlen(path);
	struct tx_node *n;
	int rc = store_tx_node(c, t, path, &n);

	if (rc == 0)
		rc = store_tx_list(c, t, n);
	for (uint32_t at = 0; rc == 0 && at < n->names_len;
	     at += (uint32_t)strlen(n->names + at) + 1) {
		path[len] = '/';
		memcpy(path + len + 1, n->names + at, strlen(n->names + at) + 1);
		rc = tx_remove_all(c, t, path);
		path[len] = '\0';
	}
	if (rc < 0)
		return rc;
	n->removed = n->removed || n->gen != 0;
	n->exists = false;
	n->changed = false;
	n->names_len = 0;
	return 0;
}

int store_tx_rm(struct store_conn *c, struct store_tx *t, const char *path)
{
	char at[STORE_PATH_MAX];
	struct tx_node *parent;
	const char *name;
	int rc;

	store_path_copy(at, path);
	rc = tx_remove_all(c, t, at);
	if (rc < 0)
		return rc;
	name = store_cut(at);
	rc = store_tx_node(c, t, store_or_root(at), &parent);
	if (rc == 0)
		rc = store_tx_list(c, t, parent);
	if (rc == 0)
		drop_name(parent, name);
	return rc;
}

int store_tx_perms(struct store_conn *c, struct store_tx *t, const char *path,
		   struct store_perms *p)
{
	struct tx_node *n;
	int rc = store_tx_node(c, t, path, &n);

	if (rc == 0 && !n->exists)
		rc = -ENOENT;
	if (rc == 0)
		rc = grow_perms(c, t, p->n);
	if (rc < 0) {
		store_perms_put(c->s, p);
		return rc;
	}
	store_perms_put(c->s, n->perms);
	n->perms = p;
	if (!n->changed)
		n->order = ++t->order;
	n->changed = true;
	return 0;
}

/* --- begin and end --- */

struct store_tx *store_tx_find(struct store_conn *c, uint32_t id)
{
	struct store_tx *t = NULL;

	HASH_FIND(hh, c->txs, &id, sizeof(id), t);
	return t;
}

int store_tx_start(struct store_conn *c, uint32_t id, struct store_tx **out)
{
	struct store_tx *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->id = id;
	HASH_ADD(hh, c->txs, id, sizeof(t->id), t);
	store_charge(c->s, c->dom, store_tx_cost(), true);
	c->dom->transactions++;
	c->s->transactions++;
	if (c->lasting)
		store_log(c->s, STORE_J_TX, 0, c->domid, id, NULL, 0);
	*out = t;
	return 0;
}

void store_tx_drop(struct store_conn *c, struct store_tx *t)
{
	struct tx_node *n = NULL;
	struct tx_node *tmp = NULL;

	if (c->lasting)
		store_log(c->s, STORE_J_TX_END, 0, c->domid, t->id, NULL, 0);
	HASH_ITER(hh, t->nodes, n, tmp)
	{
		free_node(c->s, t, n);
	}
	HASH_DEL(c->txs, t);
	store_charge(c->s, c->dom, store_tx_cost(), false);
	store_charge(c->s, c->dom, (struct store_cost){t->memory, 0}, false);
	c->dom->transactions--;
	c->s->transactions--;
	free(t);
}

void store_tx_clear(struct store_conn *c)
{
	/* HASH_DEL takes what is freed out of the table, which the analyzer does not see. */
	while (c->txs)
		store_tx_drop(c, c->txs); /* NOLINT(clang-analyzer-unix.Malloc) */
}
