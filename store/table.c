/* SPDX-License-Identifier: BSD-3-Clause */
/* The nodes of the tree in one hash table; its beginning and its end. */
#include "store/table.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_MIN 256u

/* With each new node one chain is split into two, so that no call has to move all nodes. */
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

		n->bucket = *store_chain(s, n->hash);
		*store_chain(s, n->hash) = n;
		n = next;
	}
	if (s->nsplit == s->nbucket) {
		s->nbucket *= 2;
		s->nsplit = 0;
	}
}

struct store_node *store_add_child(struct store *s, struct store_node *parent, const char *name,
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
	n->bucket = *store_chain(s, n->hash);
	*store_chain(s, n->hash) = n;
	return n;
}

void store_unlink(struct store *s, struct store_node *n)
{
	struct store_node **p = store_chain(s, n->hash);

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

		store_unlink(s, n);
		free(n);
		n = parent;
	}
}

int store_node_path(const struct store_node *n, char path[STORE_PATH_MAX])
{
	uint32_t at = STORE_PATH_MAX - 1;

	path[at] = '\0';
	for (; n->parent; n = n->parent) {
		at -= n->name_len;
		memcpy(path + at, n->name, n->name_len);
		path[--at] = '/';
	}
	if (!path[at])
		path[--at] = '/';
	else if (n->name_len)
		at++; /* "@releaseDomain" */
	memmove(path, path + at, STORE_PATH_MAX - at);
	return (int)(STORE_PATH_MAX - at) - 1;
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
		store_unlink(s, n);
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
