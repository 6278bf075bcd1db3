/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree: finds nodes, and changes them. */
#include <errno.h>
#include <stdlib.h>

#include "store/table.h"

static struct store_node *top_of(struct store *s, const char *path)
{
	return *path == '@' ? s->special : s->root;
}

struct store_node *store_find(struct store *s, const char *path)
{
	struct store_node *n = top_of(s, path);
	const char *at = path;
	const char *name;
	uint32_t len;
	uint32_t hash;

	if (s->found && strcmp(path, s->found_path) == 0)
		return s->found;
	while (n && (at = store_next_name(at, n, &name, &len, &hash)) != NULL)
		n = store_child(s, n, name, len, hash);
	if (!n || !n->perms)
		return NULL;
	len = (uint32_t)strlen(path);
	if (len < sizeof(s->found_path)) {
		memcpy(s->found_path, path, len + 1);
		s->found = n;
	}
	return n;
}

struct store_node *store_find_near(struct store *s, const char *path)
{
	struct store_node *n = top_of(s, path);
	const char *name;
	uint32_t len;
	uint32_t hash;

	while ((path = store_next_name(path, n, &name, &len, &hash)) != NULL) {
		struct store_node *c = store_child(s, n, name, len, hash);

		if (!c || !c->perms)
			break;
		n = c;
	}
	return n;
}

struct store_node *store_place(struct store *s, const char *path)
{
	struct store_node *n = top_of(s, path);
	const char *name;
	uint32_t len;
	uint32_t hash;

	while ((path = store_next_name(path, n, &name, &len, &hash)) != NULL) {
		struct store_node *c = store_child(s, n, name, len, hash);

		if (!c)
			c = store_add_child(s, n, name, len, hash);
		if (!c) {
			store_node_tidy(s, n);
			return NULL;
		}
		n = c;
	}
	return n;
}

struct store_node *store_walk(const struct store_node *top, struct store_node *n)
{
	if (n->first)
		return n->first;
	while (n != top && !n->next)
		n = n->parent;
	return n == top ? NULL : n->next;
}

/* --- names of children --- */

static bool scratch_room(struct store *s, uint32_t need)
{
	uint32_t room = s->scratch_room ? s->scratch_room : 4096;
	char *grown;

	if (need <= s->scratch_room)
		return true;
	while (room < need)
		room *= 2;
	grown = realloc(s->scratch, room);
	if (!grown)
		return false;
	s->scratch = grown;
	s->scratch_room = room;
	return true;
}

int store_tree_names(struct store *s, const struct store_node *n, uint32_t *len)
{
	*len = 0;
	if (!scratch_room(s, 1))
		return -ENOMEM;
	for (const struct store_node *c = n ? n->first : NULL; c; c = c->next) {
		if (!c->perms)
			continue;
		if (!scratch_room(s, *len + c->name_len + 1))
			return -ENOMEM;
		memcpy(s->scratch + *len, c->name, c->name_len + 1);
		*len += c->name_len + 1;
	}
	return 0;
}

/* --- changes --- */

static char *copy_value(const void *data, uint32_t len)
{
	char *value = malloc(len + 1u);

	if (!value)
		return NULL;
	if (len)
		memcpy(value, data, len);
	value[len] = '\0';
	return value;
}

static void log_node(struct store *s, struct store_node *n, const char *path, uint32_t path_len)
{
	struct store_part part[] = {
		{n->perms->perm, n->perms->n * (uint32_t)sizeof(struct store_perm)},
		{path, path_len},
		{n->value, n->len}};

	store_log_node(s, n, STORE_J_NODE, (uint16_t)n->perms->n, path_len, part, 3);
}

/* Makes a place a node. Takes the reference. */
static int come_to_be(struct store *s, struct store_node *n, struct store_perms *p,
		      const void *data, uint32_t len)
{
	n->value = len ? copy_value(data, len) : NULL;
	n->perms = p;
	n->len = n->room = len;
	if (!p || (len && !n->value) || !store_account(s, n, p, true)) {
		n->perms = NULL;
		n->len = n->room = 0;
		free(n->value);
		n->value = NULL;
		store_perms_put(s, p);
		return -ENOMEM;
	}
	n->gen = ++s->gen;
	if (n->parent) {
		n->parent->gen = n->gen;
		n->parent->children++;
	}
	return 0;
}

int store_make(struct store *s, const char *path, uint32_t by, const void *data, uint32_t len,
	       struct store_node **out, bool *made)
{
	struct store_node *n = s->root;
	const char *at = path;
	const char *name;
	uint32_t name_len;
	uint32_t hash;

	*made = false;
	while ((at = store_next_name(at, n, &name, &name_len, &hash)) != NULL) {
		struct store_node *c = store_child(s, n, name, name_len, hash);
		bool leaf = *at == '\0';
		int rc;

		if (!c)
			c = store_add_child(s, n, name, name_len, hash);
		if (!c) {
			store_node_tidy(s, n);
			return -ENOMEM;
		}
		if (!c->perms) {
			rc = come_to_be(s, c, store_perms_inherit(s, n->perms, by),
					leaf ? data : NULL, leaf ? len : 0);
			if (rc < 0) {
				store_node_tidy(s, c);
				return rc;
			}
			log_node(s, c, path, (uint32_t)(at - path));
			*made = leaf;
		}
		n = c;
	}
	*out = n;
	return 0;
}

int store_set_value(struct store *s, struct store_node *n, const char *path, const void *data,
		    uint32_t len)
{
	struct store_domain *d = store_domain(s, n->perms->perm[0].domid, false);
	struct store_part part[] = {{path, (uint32_t)strlen(path)}, {data, len}};

	if (!n->value || len > n->room || n->room - len > STORE_VALUE_SLACK) {
		char *value = copy_value(data, len);

		if (!value)
			return -ENOMEM;
		free(n->value);
		n->value = value;
		n->room = len;
	} else if (len) {
		memmove(n->value, data, len);
	}
	n->value[len] = '\0';
	store_charge(s, d, store_node_cost(1, 0, 0, n->len), false);
	store_charge(s, d, store_node_cost(1, 0, 0, len), true);
	d->bytes += (uint64_t)len - n->len;
	n->len = len;
	n->gen = ++s->gen;
	store_log_node(s, n, STORE_J_VALUE, 0, part[0].len, part, 2);
	return 0;
}

int store_node_perms(struct store *s, struct store_node *n, const char *path, struct store_perms *p)
{
	struct store_part part[] = {{p->perm, p->n * (uint32_t)sizeof(struct store_perm)},
				    {path, (uint32_t)strlen(path)}};

	if (!store_account(s, n, p, true)) {
		store_perms_put(s, p);
		return -ENOMEM;
	}
	(void)store_account(s, n, n->perms, false);
	store_perms_put(s, n->perms);
	n->perms = p;
	n->gen = ++s->gen;
	store_perms_note(s, p, path);
	store_log_node(s, n, STORE_J_PERMS, (uint16_t)p->n, part[1].len, part, 2);
	return 0;
}

static void cease(struct store *s, struct store_node *n)
{
	(void)store_account(s, n, n->perms, false);
	store_perms_put(s, n->perms);
	n->perms = NULL;
	free(n->value);
	n->value = NULL;
	n->len = n->room = 0;
	n->children = 0;
	n->gen = ++s->gen;
	s->found = NULL;
}

void store_cut_off(struct store *s, struct store_node *n)
{
	char path[STORE_PATH_MAX];
	struct store_part part = {path, (uint32_t)store_node_path(n, path)};
	struct store_node *at = n;

	store_log_node(s, n, STORE_J_RM, 0, 0, &part, 1);
	n->parent->children--;
	n->parent->gen = ++s->gen;
	while (at->first)
		at = at->first;
	for (;;) { /* children first */
		struct store_node *parent = at->parent;
		struct store_node *next = at == n ? NULL : at->next;
		bool top = at == n;

		if (at->perms)
			cease(s, at);
		if (!at->watches && !at->hooks && !at->first) {
			store_unlink(s, at);
			free(at);
		}
		if (top) {
			store_node_tidy(s, parent);
			return;
		}
		at = next ? next : parent;
		while (next && at->first)
			at = at->first;
	}
}

int store_restore_node(struct store *s, const char *path, const struct store_perm *perm, uint32_t n,
		       const void *data, uint32_t len)
{
	struct store_node *at = s->root;
	struct store_perms *p;
	const char *next = path;
	const char *name = NULL;
	uint32_t name_len = 0;
	uint32_t hash = 0;
	int rc;

	while ((next = store_next_name(next, at, &name, &name_len, &hash)) != NULL) {
		struct store_node *c = store_child(s, at, name, name_len, hash);

		if (!at->perms)
			return -EBADMSG;
		if (!c)
			c = store_add_child(s, at, name, name_len, hash);
		if (!c)
			return -ENOMEM;
		at = c;
	}
	p = at->parent ? at->parent->perms : NULL;
	if (p && p->n == n && memcmp(p->perm, perm, n * sizeof(*perm)) == 0)
		p->refs++; /* as it was: shared */
	else
		p = store_perms_new(s, perm, n);
	if (!p)
		return -ENOMEM;
	if (at->perms) {
		rc = store_node_perms(s, at, path, p);
		return rc < 0 ? rc : store_set_value(s, at, path, data, len);
	}
	rc = come_to_be(s, at, p, data, len);
	if (rc == 0)
		store_perms_note(s, p, path);
	return rc;
}
