/* SPDX-License-Identifier: BSD-3-Clause */
/* The hash table of all nodes; a node is found by its parent and its name. */
#ifndef NOXS_STORE_TABLE_H
#define NOXS_STORE_TABLE_H

#include "store/private.h"

/* Linear hashing: there are nbucket + nsplit chains. */
static inline struct store_node **store_chain(const struct store *s, uint32_t hash)
{
	uint32_t at = hash & (2 * s->nbucket - 1);

	return &s->bucket[at < s->nbucket + s->nsplit ? at : hash & (s->nbucket - 1)];
}

static inline struct store_node *store_child(struct store *s, const struct store_node *parent,
					     const char *name, uint32_t len, uint32_t hash)
{
	for (struct store_node *n = *store_chain(s, hash); n; n = n->bucket)
		if (n->hash == hash && n->parent == parent && n->name_len == len &&
		    memcmp(n->name, name, len) == 0)
			return n;
	return NULL;
}

/* The next name of a path with its hash (which includes the parent), and the rest of the path;
 * NULL: there is no further name. */
static inline const char *store_next_name(const char *path, const struct store_node *parent,
					  const char **name, uint32_t *len, uint32_t *hash)
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

/* Makes a child of `parent`; `hash` is that of store_next_name(). NULL: out of memory. */
struct store_node *store_add_child(struct store *s, struct store_node *parent, const char *name,
				   uint32_t len, uint32_t hash);
/* Removes it from the table and from its parent; the caller frees it. */
void store_unlink(struct store *s, struct store_node *n);

#endif
