/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and changing nodes for a request: in the tree itself, or in a transaction's copies. */
#include "store/private.h"

#include <errno.h>

/* --- seeing --- */

int store_see(struct store_conn *c, struct store_tx *t, const char *path, struct store_seen *out)
{
	struct store_node *n;
	struct tx_node *tn;
	int rc;

	memset(out, 0, sizeof(*out));
	if (t) {
		rc = store_tx_node(c, t, path, &tn);
		if (rc == 0)
			*out = (struct store_seen){tn->exists, tn->value, tn->len, tn->perms,
						   tn->gen};
		return rc;
	}
	n = store_find(c->s, path);
	if (n)
		*out = (struct store_seen){true, n->value ? n->value : "", n->len, n->perms,
					   n->gen};
	return 0;
}

struct store_perms *store_see_near(struct store_conn *c, struct store_tx *t, const char *path)
{
	char at[STORE_PATH_MAX];

	if (!t)
		return store_find_near(c->s, path)->perms;
	store_path_copy(at, path);
	for (;;) {
		struct tx_node *tn = NULL;
		struct store_node *n;

		HASH_FIND(hh, t->nodes, store_or_root(at), strlen(store_or_root(at)), tn);
		n = tn ? NULL : store_find(c->s, store_or_root(at));
		if (tn && tn->exists)
			return tn->perms;
		if (n)
			return n->perms;
		if (!*at)
			return c->s->root->perms; /* that is never removed */
		(void)store_cut(at);
	}
}

int store_see_names(struct store_conn *c, struct store_tx *t, const char *path, const char **names,
		    uint32_t *len)
{
	struct tx_node *tn;
	int rc;

	if (!t) {
		rc = store_tree_names(c->s, store_find(c->s, path), len);
		*names = c->s->scratch;
		return rc;
	}
	rc = store_tx_node(c, t, path, &tn);
	if (rc == 0)
		rc = store_tx_list(c, t, tn);
	*names = tn ? tn->names : NULL;
	*len = tn ? tn->names_len : 0;
	return rc;
}

/* --- changing --- */

static uint32_t names_below(const struct store_node *near, const char *path)
{
	char at[STORE_PATH_MAX];
	uint32_t missing = 0;

	for (const char *p = path + store_node_path(near, at); *p; p++)
		missing += *p == '/';
	return missing + (near->parent ? 0 : 1);
}

/* An existing value may always become shorter. */
static bool may_write(const struct store_conn *c, const struct store_node *near, uint32_t missing,
		      uint32_t path_len, uint32_t len)
{
	struct store_cost each = store_node_cost(near->perms->n, path_len, 0, 0);

	if (!missing)
		return len <= near->len ||
		       store_may_keep(c,
				      (struct store_cost){len - near->len + 2 * STORE_VALUE_SLACK,
							  len - near->len});
	return store_may_keep(c, (struct store_cost){missing * each.memory + path_len + len +
							     2 * STORE_VALUE_SLACK,
						     missing * each.record + len});
}

static int tree_write(struct store_conn *c, const char *path, const void *data, uint32_t len,
		      bool keep)
{
	struct store *s = c->s;
	struct store_node *n = store_find(s, path);
	const struct store_node *near = n ? n : store_find_near(s, path);
	uint32_t missing = n ? 0 : names_below(near, path);
	uint32_t path_len = (uint32_t)strlen(path);
	bool made;
	int rc = store_may_own(c, missing, missing ? path_len + len : len);

	if (rc == 0 && !may_write(c, near, missing, path_len, len))
		rc = -ENOSPC;
	if (rc < 0)
		return rc;
	if (missing) {
		rc = store_make(s, path, c->domid, data, len, &n, &made);
		if (rc < 0)
			return rc;
	} else if (keep) {
		return 0;
	} else {
		rc = store_set_value(s, n, path, data, len);
		if (rc < 0)
			return rc;
	}
	store_tell(s, n, NULL, false, c->domid);
	return 0;
}

int store_do_write(struct store_conn *c, struct store_tx *t, const char *path, const void *data,
		   uint32_t len, bool keep)
{
	return t ? store_tx_write(c, t, path, data, len, keep)
		 : tree_write(c, path, data, len, keep);
}

int store_do_rm(struct store_conn *c, struct store_tx *t, const char *path)
{
	struct store_node *n;

	if (t)
		return store_tx_rm(c, t, path);
	n = store_find(c->s, path);
	if (n)
		store_remove(c->s, n, c->domid);
	return 0;
}

static int tree_perms(struct store *s, const char *path, struct store_perms *p, uint32_t by)
{
	struct store_node *n = store_find(s, path);
	struct store_perms *old;
	int rc;

	if (!n) {
		store_perms_put(s, p);
		return -ENOENT;
	}
	old = n->perms;
	old->refs++;
	rc = store_node_perms(s, n, path, p);
	if (rc == 0)
		store_tell(s, n, old, false, by);
	store_perms_put(s, old);
	return rc;
}

int store_do_perms(struct store_conn *c, struct store_tx *t, const char *path,
		   const struct store_perm *perm, uint32_t n)
{
	struct store_perms *p = NULL;

	if (!store_may_keep(c, store_perms_cost(n)))
		return -ENOSPC;
	p = store_perms_new(c->s, perm, n);
	if (!p)
		return -ENOMEM;
	return t ? store_tx_perms(c, t, path, p) : tree_perms(c->s, path, p, c->domid);
}
