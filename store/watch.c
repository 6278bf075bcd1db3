/* SPDX-License-Identifier: BSD-3-Clause */
/* Watches and hooks: they are stored at their paths, whether there is a node or not. */
#include "store/private.h"

#include <errno.h>
#include <stdlib.h>

/* The charge for a watch besides its strings, for each name of its path, because a place for it
 * may be needed. */
#define PLACE_COST 64u

/* Watches of guests at one place that are looked at one by one. */
#define GUESTS_FEW 16u
#define TOLD_MOST  16u /* entries of a permission list */

#define BACKEND "/local/domain/0/backend"

/* A hook to be called for a change when the whole group is done. */
struct store_change {
	struct store_change *next;
	struct store_hook *hook;
	bool removed;
	uint32_t by;
	char path[];
};

/* --- watches --- */

static bool of_guest(const struct store_conn *c)
{
	return c->lasting && store_is_guest(c->domid);
}

static struct store_watch *find(const struct store_conn *c, const struct store_node *n,
				const char *token)
{
	struct store_watch *w = NULL;

	if (of_guest(c)) {
		DL_FOREACH2(c->watches, w, conn_next)
		if (w->at == n && strcmp(w->token, token) == 0)
			return w;
		return NULL;
	}
	DL_FOREACH(n->watches, w)
	{
		if (of_guest(w->conn))
			return NULL;
		if (w->conn == c && strcmp(w->token, token) == 0)
			return w;
	}
	return NULL;
}

/* Those of guests are behind all others. */
static void hang(struct store_node *at, struct store_watch *w)
{
	struct store_watch *first = at->watches;

	if (of_guest(w->conn)) {
		DL_APPEND(at->watches, w);
		at->guests++;
		return;
	}
	while (first && !of_guest(first->conn))
		first = first->next;
	if (first)
		DL_PREPEND_ELEM(at->watches, first, w);
	else
		DL_APPEND(at->watches, w);
}

static uint32_t cost_of(const char *path, uint32_t token_len)
{
	uint32_t names = 0;
	uint32_t len = 0;

	for (; path[len]; len++)
		names += path[len] == '/';
	return len + token_len + names * PLACE_COST;
}

static void forget(struct store_watch *w)
{
	struct store_conn *c = w->conn;
	struct store_node *at = w->at;

	store_charge(c->s, c->dom, w->charged, false);
	DL_DELETE(at->watches, w);
	at->guests -= of_guest(c);
	DL_DELETE2(c->watches, w, conn_prev, conn_next);
	c->dom->watches--;
	c->dom->bytes -= w->cost;
	c->s->watches--;
	free(w);
	store_node_tidy(c->s, at);
}

static int may_have_another(const struct store_conn *c, uint32_t cost, struct store_cost charged)
{
	const struct store_quota *q = &c->s->quota;

	if (!store_is_guest(c->domid) || c->s->replaying)
		return 0;
	if (c->dom->watches >= q->watches || c->dom->bytes + cost > q->bytes)
		return -E2BIG;
	return store_may_keep(c, charged) ? 0 : -E2BIG;
}

int store_watch_add(struct store_conn *c, const char *path, bool relative, const char *token)
{
	uint32_t token_len = (uint32_t)strlen(token) + 1;
	uint32_t cost = cost_of(path, token_len);
	struct store_cost charged = store_watch_cost(path, token_len);
	struct store_part part[] = {{path, (uint32_t)strlen(path)}, {token, token_len}};
	struct store_watch *w = NULL;
	struct store_node *at = NULL;
	int rc = may_have_another(c, cost, charged);

	if (rc == 0) {
		at = store_place(c->s, path);
		rc = at ? 0 : -ENOMEM;
	}
	if (rc == 0 && find(c, at, token))
		rc = -EEXIST;
	if (rc == 0) {
		w = calloc(1, sizeof(*w) + token_len);
		rc = w ? 0 : -ENOMEM;
	}
	if (rc < 0 || !w || !at) {
		if (at)
			store_node_tidy(c->s, at);
		return rc;
	}
	*w = (struct store_watch){.at = at,
				  .conn = c,
				  .cost = cost,
				  .charged = charged,
				  .relative = relative,
				  .token_len = token_len};
	if (!c->lasting)
		w->charged.record = 0;
	store_charge(c->s, c->dom, w->charged, true);
	memcpy(w->token, token, token_len);
	hang(at, w);
	DL_APPEND2(c->watches, w, conn_prev, conn_next);
	c->dom->watches++;
	c->dom->bytes += cost;
	c->s->watches++;
	if (c->lasting)
		store_log(c->s, STORE_J_WATCH, relative, c->domid, part[0].len, part, 2);
	return 0;
}

int store_watch_remove(struct store_conn *c, const char *path, const char *token)
{
	struct store_part part[] = {{path, (uint32_t)strlen(path)},
				    {token, (uint32_t)strlen(token) + 1}};
	struct store_node *at = store_place(c->s, path);
	struct store_watch *w;

	if (!at)
		return -ENOMEM;
	w = find(c, at, token);
	if (!w) {
		store_node_tidy(c->s, at);
		return -ENOENT;
	}
	forget(w);
	if (c->lasting)
		store_log(c->s, STORE_J_UNWATCH, 0, c->domid, part[0].len, part, 2);
	return 0;
}

void store_watches_clear(struct store_conn *c)
{
	while (c->watches)
		forget(c->watches); /* NOLINT(clang-analyzer-unix.Malloc) */
	if (c->lasting)
		store_log(c->s, STORE_J_RESET, 0, c->domid, 0, NULL, 0);
}

/* --- telling --- */

/* A node and its parent: a domain that may read one of them may be told of the change. */
static bool may_know(const struct store_conn *c, const struct store_node *n,
		     const struct store_perms *old)
{
	if (!store_is_guest(c->domid))
		return true;
	if (old && store_allowed(old, c->domid) & STORE_READ)
		return true;
	if (n->perms && store_allowed(n->perms, c->domid) & STORE_READ)
		return true;
	return n->parent && n->parent->perms &&
	       store_allowed(n->parent->perms, c->domid) & STORE_READ;
}

/* dom0's kernel watches all of its backends with one watch, and reads the node for each event.
 * Devices there are added and removed by few changes: the write of "online", which toolstacks do
 * last, and the removal of one or more devices. For changes inside a device drivers have other
 * watches. */
static bool is_silent(const struct store_watch *w, const char *path, bool removed)
{
	uint32_t depth = 0;
	const char *last = path;

	if (w->conn->domid != 0 || !w->conn->lasting || strncmp(path, BACKEND "/", 24) != 0)
		return false;
	if (w->at->name_len != 7 || strcmp(w->at->name, "backend") != 0 || !w->at->parent->parent)
		return false;
	for (const char *p = path + sizeof(BACKEND) - 1; *p; p++)
		if (*p == '/') {
			depth++;
			last = p;
		}
	if (removed)
		return depth > 3;
	return depth != 4 || strcmp(last, "/online") != 0;
}

/* Watches of one guest at a place. */
static void notify_guest(struct store *s, uint32_t domid, const struct store_node *at,
			 const char *path)
{
	const struct store_domain *d = store_is_guest(domid) ? store_domain(s, domid, false) : NULL;
	struct store_watch *w = NULL;

	if (!d || !d->ring)
		return;
	DL_FOREACH2(d->ring->watches, w, conn_next)
	{
		s->looks++;
		if (w->at == at)
			store_conn_event(w, path);
	}
}

/* Guests may watch places that all of them share, but only those that the permissions name may
 * be told of a change. False: every domain may. */
static bool notify_named(struct store *s, const struct store_node *at, const struct store_node *n,
			 const char *path, const struct store_perms *old)
{
	const struct store_perms *list[] = {old, n->perms, n->parent ? n->parent->perms : NULL};
	uint32_t told[3 * TOLD_MOST];
	uint32_t ntold = 0;

	for (uint32_t i = 0; i < 3; i++)
		if (list[i] && (list[i]->n > TOLD_MOST || list[i]->perm[0].access & STORE_READ))
			return false;
	for (uint32_t i = 0; i < 3; i++)
		for (uint32_t k = 0; list[i] && k < list[i]->n; k++) {
			uint32_t domid = list[i]->perm[k].domid;
			uint32_t t = 0;

			if (!(store_allowed(list[i], domid) & STORE_READ))
				continue;
			while (t < ntold && told[t] != domid)
				t++;
			if (t < ntold)
				continue;
			told[ntold++] = domid;
			notify_guest(s, domid, at, path);
		}
	return true;
}

static void notify_watches(struct store *s, const struct store_node *at, const struct store_node *n,
			   const char *path, const struct store_perms *old, bool removed)
{
	bool named = at->guests > GUESTS_FEW && notify_named(s, at, n, path, old);
	struct store_watch *w = NULL;

	DL_FOREACH(at->watches, w)
	{
		if (named && of_guest(w->conn))
			return;
		s->looks++;
		if (may_know(w->conn, n, old) && !is_silent(w, path, removed))
			store_conn_event(w, path);
	}
}

static void call_hooks(struct store *s, const struct store_node *at, const char *path, bool removed,
		       uint32_t by)
{
	size_t len = strlen(path) + 1;

	for (struct store_hook *h = at->hooks; h; h = h->next) {
		struct store_change *ch = calloc(1, sizeof(*ch) + len);

		if (!ch)
			continue; /* the owner looks at the tree, not at events */
		ch->hook = h;
		ch->removed = removed;
		ch->by = by;
		memcpy(ch->path, path, len);
		if (s->changes_end)
			s->changes_end->next = ch;
		else
			s->changes = ch;
		s->changes_end = ch;
	}
}

void store_tell(struct store *s, struct store_node *n, const struct store_perms *old, bool removed,
		uint32_t by)
{
	char path[STORE_PATH_MAX];
	bool have = false;

	if (s->replaying)
		return;
	for (struct store_node *at = n; at; at = at->parent) {
		if (!at->watches && !at->hooks)
			continue;
		if (!have)
			(void)store_node_path(n, path);
		have = true;
		notify_watches(s, at, n, path, old, removed);
		call_hooks(s, at, path, removed, by);
	}
	if (!removed)
		return;
	for (struct store_node *at = store_walk(n, n); at; at = store_walk(n, at)) {
		if (!at->perms || (!at->watches && !at->hooks))
			continue;
		(void)store_node_path(at, path);
		notify_watches(s, at, at, path, NULL, true);
		call_hooks(s, at, path, true, by);
	}
}

void store_remove(struct store *s, struct store_node *n, uint32_t by)
{
	store_tell(s, n, NULL, true, by);
	store_cut_off(s, n);
}

/* --- hooks --- */

void store_hooks_run(struct store *s)
{
	while (s->changes) {
		struct store_change *ch = s->changes;

		s->changes = ch->next;
		if (!s->changes)
			s->changes_end = NULL;
		if (ch->hook)
			ch->hook->fn(ch->hook, ch->path, ch->removed, ch->by);
		free(ch);
	}
}

int store_hook(struct store *s, struct store_hook *h, const char *path)
{
	struct store_node *at;

	if (!store_path_ok(path, strlen(path)))
		return -EINVAL;
	at = store_place(s, path);
	if (!at)
		return -ENOMEM;
	h->at = at;
	h->next = at->hooks;
	at->hooks = h;
	return 0;
}

void store_unhook(struct store *s, struct store_hook *h)
{
	struct store_node *at = h->at;
	struct store_hook **p;

	if (!at)
		return;
	for (p = &at->hooks; *p != h; p = &(*p)->next)
		;
	*p = h->next;
	h->next = NULL;
	h->at = NULL;
	for (struct store_change *ch = s->changes; ch; ch = ch->next)
		if (ch->hook == h)
			ch->hook = NULL;
	store_node_tidy(s, at);
}
