/* SPDX-License-Identifier: BSD-3-Clause */
/* Removes a domain that has ended from the store. */
#include "store/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKENDS "/local/domain/0/backend"

struct forgetting {
	struct store *s;
	uint32_t domid;
};

/* The number of a domain is made a text once for all its paths. All three texts are short. */
static const char *of_domain(char path[64], const char *top, const char *id, const char *below)
{
	(void)stpcpy(stpcpy(stpcpy(stpcpy(path, top), "/"), id), below);
	return path;
}

static void remove_path(struct store *s, const char *path)
{
	struct store_node *n = store_find(s, path);

	if (n)
		store_remove(s, n, STORE_NO_DOMAIN);
}

static void forget_backends(const char *kind, void *arg)
{
	const struct forgetting *f = arg;
	char path[STORE_PATH_MAX];

	if (snprintf(path, sizeof(path), BACKENDS "/%s/%u", kind, f->domid) < (int)sizeof(path))
		remove_path(f->s, path);
}

/* A node of others with rights of the domain: the next domain with this id must not have them. */
static void strip(struct store *s, struct store_node *n, uint32_t domid)
{
	struct store_perms *p = store_perms_new(s, n->perms->perm, n->perms->n);
	char path[STORE_PATH_MAX];
	uint32_t kept = 1;

	if (!p)
		return;
	for (uint32_t i = 1; i < p->n; i++) {
		if (p->perm[i].domid != domid)
			p->perm[kept++] = p->perm[i];
		else
			store_domain(s, domid, true)->mentions--;
	}
	p->n = kept;
	(void)store_node_path(n, path);
	(void)store_node_perms(s, n, path, p);
}

static bool mentions(const struct store_perms *p, uint32_t domid)
{
	for (uint32_t i = 1; i < p->n; i++)
		if (p->perm[i].domid == domid)
			return true;
	return false;
}

/* The next one of a walk that is not below n. */
static struct store_node *behind(struct store_node *n)
{
	while (n->parent && !n->next)
		n = n->parent;
	return n->next;
}

/* Only the domain that the place belongs to can have rights below it. */
static bool nobody_elses(struct store *s, const struct store_node *n, const struct store_node *top)
{
	const struct store_domain *d;

	if (s->dom0_gave || !n->parent || !top)
		return false;
	if (!n->parent->parent && (strcmp(n->name, "vm") == 0 || strcmp(n->name, "libxl") == 0))
		return true;
	if (n->parent->parent == top && strcmp(n->parent->name, "0") == 0)
		return strcmp(n->name, "backend") == 0;
	if (n->parent != top || strcmp(n->name, "0") == 0)
		return false;
	d = store_domain(s, (uint32_t)strtoul(n->name, NULL, 10), false);
	return !d || !d->gave;
}

/* Removes its rights in trees of others: only trees that ever gave rights to others are
 * searched. */
static void forget_elsewhere(struct store *s, uint32_t domid)
{
	const struct store_node *top = store_find(s, "/local/domain");
	struct store_node *next;

	for (struct store_node *n = store_walk(s->root, s->root); n; n = next) {
		bool owned = n->perms && n->perms->perm[0].domid == domid;

		s->looks++;
		if (!owned && nobody_elses(s, n, top)) {
			next = behind(n);
			continue;
		}
		next = owned ? behind(n) : store_walk(s->root, n);
		if (owned)
			store_remove(s, n, STORE_NO_DOMAIN);
		else if (n->perms && mentions(n->perms, domid))
			strip(s, n, domid);
	}
}

/* "/vm/<uuid>", unless a later domain of the same VM uses it. */
static void forget_identity(struct store *s, const char *id, uint32_t domid)
{
	char path[STORE_PATH_MAX];
	char at[64];
	const char *vm;
	const struct store_node *n;

	if (!store_find(s, of_domain(at, "/local/domain", id, "")))
		return;
	vm = store_get(s, of_domain(at, "/local/domain", id, "/vm"), NULL);
	if (!vm || strncmp(vm, "/vm/", 4) != 0 || strlen(vm) >= sizeof(path))
		return;
	store_path_copy(path, vm);
	n = store_find(s, path);
	if (n && mentions(n->perms, domid))
		remove_path(s, path);
}

void store_forget_domain(struct store *s, uint32_t domid)
{
	struct forgetting f = {s, domid};
	struct store_domain *d;
	char path[64];
	char id[16];

	(void)snprintf(id, sizeof(id), "%u", domid);
	store_begin(s);
	d = store_domain(s, domid, false);
	if (d && d->ring)
		store_conn_end(d->ring);
	forget_identity(s, id, domid);
	remove_path(s, of_domain(path, "/local/domain", id, ""));
	remove_path(s, of_domain(path, "/libxl", id, ""));
	(void)store_children(s, BACKENDS, forget_backends, &f);
	d = store_domain(s, domid, false);
	if (d && (d->nodes || d->mentions))
		forget_elsewhere(s, domid);
	store_end(s);
}
