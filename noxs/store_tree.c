/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree: nodes in one hash table, permissions shared, everything accounted to its owner. */
#include "noxs/store_private.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_MIN 256u

/* --- the table --- */

/* Linear hashing: there are nbucket + nsplit chains. */
static struct store_node **chain(const struct store *s, uint32_t hash)
{
	uint32_t at = hash & (2 * s->nbucket - 1);

	return &s->bucket[at < s->nbucket + s->nsplit ? at : hash & (s->nbucket - 1)];
}

static struct store_node *child(struct store *s, const struct store_node *parent, const char *name,
				uint32_t len, uint32_t hash)
{
	for (struct store_node *n = *chain(s, hash); n; n = n->bucket)
		if (n->hash == hash && n->parent == parent && n->name_len == len &&
		    memcmp(n->name, name, len) == 0)
			return n;
	return NULL;
}

/* One chain becomes two with each node that comes, so that none waits for all to be moved. */
static void split(struct store *s)
{
	struct store_node *n = s->bucket[s->nsplit];

	if (s->nsplit == 0) {
		struct store_node **grown =
			realloc(s->bucket, 2ul * s->nbucket * sizeof(struct store_node *));

		if (!grown)
			return; /* longer chains, then */
		s->bucket = grown;
		n = grown[0];
	}
	s->bucket[s->nsplit] = NULL;
	s->bucket[s->nbucket + s->nsplit] = NULL;
	s->nsplit++;
	while (n) {
		struct store_node *next = n->bucket;

		n->bucket = *chain(s, n->hash);
		*chain(s, n->hash) = n;
		n = next;
	}
	if (s->nsplit == s->nbucket) {
		s->nbucket *= 2;
		s->nsplit = 0;
	}
}

static struct store_node *add_child(struct store *s, struct store_node *parent, const char *name,
				    uint32_t len, uint32_t hash)
{
	struct store_node *n = calloc(1, sizeof(*n) + len + 1);

	if (!n)
		return NULL;
	memcpy(n->name, name, len);
	n->name_len = len;
	n->path_len = parent->path_len + 1 + len;
	n->parent = parent;
	n->hash = hash;
	n->prev = parent->last;
	if (parent->last)
		parent->last->next = n;
	else
		parent->first = n;
	parent->last = n;
	if (++s->nhashed > s->nbucket + s->nsplit)
		split(s);
	n->bucket = *chain(s, n->hash);
	*chain(s, n->hash) = n;
	return n;
}

static void unlink_node(struct store *s, struct store_node *n)
{
	struct store_node **p = chain(s, n->hash);

	while (*p != n)
		p = &(*p)->bucket;
	*p = n->bucket;
	s->nhashed--;
	if (n->prev)
		n->prev->next = n->next;
	else
		n->parent->first = n->next;
	if (n->next)
		n->next->prev = n->prev;
	else
		n->parent->last = n->prev;
}

void store_node_tidy(struct store *s, struct store_node *n)
{
	while (n->parent && !n->perms && !n->watches && !n->hooks && !n->first) {
		struct store_node *parent = n->parent;

		unlink_node(s, n);
		free(n);
		n = parent;
	}
}

/* The next name of a path, hashed with its parent, and what comes behind it; NULL: none. */
static const char *next_name(const char *path, const struct store_node *parent, const char **name,
			     uint32_t *len, uint32_t *hash)
{
	uint32_t h = parent->hash ^ 2166136261u;
	const char *at;

	path += *path == '/';
	if (!*path)
		return NULL;
	for (at = path; *at && *at != '/'; at++)
		h = (h ^ (uint8_t)*at) * 16777619u;
	*name = path;
	*len = (uint32_t)(at - path);
	*hash = (h ^ h >> 15) * 0x85ebca6bu;
	return at;
}

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
	while (n && (at = next_name(at, n, &name, &len, &hash)) != NULL)
		n = child(s, n, name, len, hash);
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

	while ((path = next_name(path, n, &name, &len, &hash)) != NULL) {
		struct store_node *c = child(s, n, name, len, hash);

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

	while ((path = next_name(path, n, &name, &len, &hash)) != NULL) {
		struct store_node *c = child(s, n, name, len, hash);

		if (!c)
			c = add_child(s, n, name, len, hash);
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
	while ((at = next_name(at, n, &name, &name_len, &hash)) != NULL) {
		struct store_node *c = child(s, n, name, name_len, hash);
		bool leaf = *at == '\0';
		int rc;

		if (!c)
			c = add_child(s, n, name, name_len, hash);
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

void store_remove(struct store *s, struct store_node *n, uint32_t by)
{
	char path[STORE_PATH_MAX];
	struct store_part part = {path, (uint32_t)store_node_path(n, path)};
	struct store_node *at = n;

	store_tell(s, n, NULL, true, by);
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
			unlink_node(s, at);
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

	while ((next = next_name(next, at, &name, &name_len, &hash)) != NULL) {
		struct store_node *c = child(s, at, name, name_len, hash);

		if (!at->perms)
			return -EBADMSG;
		if (!c)
			c = add_child(s, at, name, name_len, hash);
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

/* --- the whole --- */

int store_tree_open(struct store *s)
{
	struct store_perm nobody = {0, STORE_NONE};

	s->nbucket = BUCKETS_MIN;
	s->bucket = calloc(s->nbucket, sizeof(struct store_node *));
	s->root = calloc(1, sizeof(*s->root));
	s->special = calloc(1, sizeof(*s->special));
	if (!s->bucket || !s->root || !s->special)
		return -ENOMEM;
	s->root->hash = store_hash_seed;
	s->special->hash = ~store_hash_seed;
	s->special->name_len = 1; /* tells it from the root */
	s->root->gen = ++s->gen;
	s->root->perms = store_perms_new(s, &nobody, 1);
	s->special->perms = store_perms_new(s, &nobody, 1);
	if (!s->root->perms || !s->special->perms ||
	    !store_account(s, s->root, s->root->perms, true))
		return -ENOMEM;
	return 0;
}

static void free_below(struct store *s, struct store_node *top)
{
	struct store_node *n = top;

	while (n) {
		struct store_node *parent = n->parent;

		if (n->first) {
			n = n->first;
			continue;
		}
		if (n == top)
			break;
		store_perms_put(s, n->perms);
		free(n->value);
		unlink_node(s, n);
		free(n);
		n = parent;
	}
	if (top) {
		store_perms_put(s, top->perms);
		free(top->value);
	}
	free(top);
}

void store_tree_close(struct store *s)
{
	struct store_domain *d;
	struct store_domain *tmp;

	free_below(s, s->root);
	free_below(s, s->special);
	HASH_ITER(hh, s->domains, d, tmp)
	{
		HASH_DEL(s->domains, d); /* NOLINT(clang-analyzer-unix.Malloc) */
		free(d);
	}
	free(s->bucket);
}
