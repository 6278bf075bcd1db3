/* SPDX-License-Identifier: BSD-3-Clause */
/* The interface for the daemon: opens and closes the store, accesses nodes, removes domains. */
#include "store/private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* --- open and close --- */

static void fill_quota(struct store_quota *q)
{
	static const struct store_quota usual = {.nodes = 1000,
						 .watches = 128,
						 .transactions = 10,
						 .value_bytes = 2048,
						 .perms = 5,
						 .bytes = 256u << 10,
						 .memory = 1280u << 10,
						 .queue_bytes = 64u << 10};

	q->nodes = q->nodes ? q->nodes : usual.nodes;
	q->watches = q->watches ? q->watches : usual.watches;
	q->transactions = q->transactions ? q->transactions : usual.transactions;
	q->value_bytes = q->value_bytes ? q->value_bytes : usual.value_bytes;
	q->perms = q->perms ? q->perms : usual.perms;
	q->bytes = q->bytes ? q->bytes : usual.bytes;
	q->memory = q->memory ? q->memory : usual.memory;
	q->queue_bytes = q->queue_bytes ? q->queue_bytes : usual.queue_bytes;
}

static void drop_all(struct store *s)
{
	while (s->conns)
		store_conn_end(s->conns);
	if (s->root && s->special && s->bucket)
		store_tree_close(s);
	s->root = NULL;
	s->special = NULL;
	s->bucket = NULL;
	s->nhashed = 0;
	s->nsplit = 0;
	s->nodes = 0;
	s->live = 0;
	s->queued = 0;
	s->found = NULL;
}

/* Reads the file; a damaged one is renamed. */
static int bring_back(struct store *s, const char *path, struct err *e)
{
	const uint8_t *data = NULL;
	uint64_t len = 0;
	char aside[512];
	bool bad = false;
	int rc = store_journal_open(s, path, &data, &len, e);

	if (rc == 0) {
		rc = store_replay(s, data, len);
		if (rc == -ENOMEM)
			return err_set(e, ENOMEM, "out of memory");
		store_journal_read(s->journal);
	}
	if (rc == -EBADMSG) {
		bad = true;
		drop_all(s);
		store_journal_close(s);
		if (store_tree_open(s) < 0)
			return err_set(e, ENOMEM, "out of memory");
		if (snprintf(aside, sizeof(aside), "%s.bad", path) < (int)sizeof(aside))
			(void)rename(path, aside);
		rc = store_journal_open(s, path, &data, &len, e);
	}
	if (rc < 0)
		return err_wrap(e, rc, "the store's journal %s", path);
	if (store_journal_renew(s) < 0)
		(void)store_journal_keep(s);
	(void)store_retry(s);
	if (bad)
		return err_set(e, EBADMSG,
			       "the store's journal %s is damaged: renamed to %s.bad; the store "
			       "starts empty",
			       path, path);
	return 0;
}

int store_open(const char *journal, const struct store_quota *quota, struct store **out,
	       struct err *e)
{
	struct store *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	if (quota)
		s->quota = *quota;
	fill_quota(&s->quota);
	if (store_hash_seed == 0 && getrandom(&store_hash_seed, sizeof(store_hash_seed), 0) < 0)
		store_hash_seed = 0x9e3779b9u;
	rc = store_tree_open(s) < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
	if (rc == 0 && journal)
		rc = bring_back(s, journal, e);
	if (rc < 0 && rc != -EBADMSG) {
		store_close(s);
		return rc;
	}
	*out = s;
	return rc;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	store_journal_close(s); /* what lasts is in it */
	s->missing = NULL;
	drop_all(s);
	free(s->scratch);
	free(s);
}

/* --- the daemon's access --- */

static int put(struct store *s, const char *path, const void *data, uint32_t len, bool quiet,
	       bool keep)
{
	struct store_node *n;
	bool made = false;
	int rc;

	if (!store_path_ok(path, strlen(path)))
		return -EINVAL;
	store_begin(s);
	n = store_find(s, path);
	rc = n ? 0 : store_make(s, path, STORE_NO_DOMAIN, data, len, &n, &made);
	if (rc == 0 && !made && !keep)
		rc = store_set_value(s, n, path, data, len);
	if (rc == 0 && !quiet && (made || !keep))
		store_tell(s, n, NULL, false, STORE_NO_DOMAIN);
	store_end(s);
	return rc;
}

int store_put(struct store *s, const char *path, const void *data, uint32_t len)
{
	return put(s, path, data, len, false, false);
}

static int __attribute__((format(printf, 4, 0)))
vput(struct store *s, const char *path, bool quiet, const char *fmt, va_list ap)
{
	char text[STORE_PAYLOAD_MAX];
	int len = vsnprintf(text, sizeof(text), fmt, ap);

	if (len < 0 || (size_t)len >= sizeof(text))
		return -EINVAL;
	return put(s, path, text, (uint32_t)len, quiet, false);
}

int store_putf(struct store *s, const char *path, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = vput(s, path, false, fmt, ap);
	va_end(ap);
	return rc;
}

int store_putf_quiet(struct store *s, const char *path, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = vput(s, path, true, fmt, ap);
	va_end(ap);
	return rc;
}

int store_mkdir(struct store *s, const char *path)
{
	return put(s, path, NULL, 0, false, true);
}

int store_rm(struct store *s, const char *path)
{
	struct store_node *n = store_find(s, path);

	if (!n)
		return -ENOENT;
	if (!n->parent)
		return -EINVAL;
	store_begin(s);
	store_remove(s, n, STORE_NO_DOMAIN);
	store_end(s);
	return 0;
}

int store_set_perms(struct store *s, const char *path, const struct store_perm *perms, uint32_t n)
{
	struct store_node *node = store_find(s, path);
	struct store_perms *p;
	int rc;

	if (!node)
		return -ENOENT;
	if (n == 0)
		return -EINVAL;
	/* Siblings share their parent's list; so do nodes that are given the same. */
	if (node->perms->n == n && memcmp(node->perms->perm, perms, n * sizeof(*perms)) == 0)
		return 0;
	store_begin(s);
	p = store_perms_new(s, perms, n);
	rc = p ? store_node_perms(s, node, path, p) : -ENOMEM;
	store_end(s);
	return rc;
}

const char *store_get(struct store *s, const char *path, uint32_t *len)
{
	const struct store_node *n = store_find(s, path);

	if (!n)
		return NULL;
	if (len)
		*len = n->len;
	return n->value ? n->value : "";
}

int store_get_u32(struct store *s, const char *path, uint32_t *out)
{
	uint32_t len = 0;
	const char *text = store_get(s, path, &len);
	uint64_t v = 0;

	if (!text)
		return -ENOENT;
	if (len == 0 || len > 10)
		return -EINVAL;
	for (uint32_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(text[i] - '0');
	}
	if (v > UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Uses a copy, because fn may change the tree. */
int store_children(struct store *s, const char *path, void (*fn)(const char *name, void *arg),
		   void *arg)
{
	struct store_node *n = store_find(s, path);
	const char **name;
	char *names;
	uint32_t len;
	uint32_t count = 0;
	int rc;

	if (!n)
		return -ENOENT;
	rc = store_tree_names(s, n, &len);
	if (rc < 0)
		return rc;
	names = malloc(len + 1u);
	name = calloc(n->children + 1u, sizeof(char *));
	if (!names || !name) {
		free(names);
		free(name);
		return -ENOMEM;
	}
	memcpy(names, s->scratch, len);
	for (uint32_t at = 0; at < len && count < n->children;
	     at += (uint32_t)strlen(names + at) + 1)
		name[count++] = names + at;
	qsort(name, count, sizeof(char *), by_name);
	for (uint32_t i = 0; i < count; i++)
		fn(name[i], arg);
	free(names);
	free(name);
	return 0;
}

void store_fire(struct store *s, const char *path)
{
	struct store_node *n;

	store_begin(s);
	n = store_place(s, path);
	if (n) {
		store_tell(s, n, NULL, false, STORE_NO_DOMAIN);
		store_node_tidy(s, n);
	}
	store_end(s);
}

void store_fire_special(struct store *s, const char *path)
{
	store_fire(s, path);
}

enum store_room store_retry(struct store *s)
{
	if (s->journal && store_journal_retry(s))
		store_wake_all(s);
	return store_room(s);
}

void store_on_missing(struct store *s, void (*fn)(void *arg, uint32_t domid), void *arg)
{
	s->missing = fn;
	s->missing_arg = arg;
}

void store_numbers(const struct store *s, struct store_numbers *out)
{
	*out = (struct store_numbers){.nodes = s->nodes,
				      .watches = s->watches,
				      .requests = s->requests,
				      .events = s->events,
				      .bytes = store_journal_bytes(s),
				      .conns = s->nconns,
				      .transactions = s->transactions};
}

int store_domain_numbers(const struct store *s, uint32_t domid, struct store_numbers *out)
{
	struct store_domain *d = NULL;

	HASH_FIND(hh, s->domains, &domid, sizeof(domid), d);
	if (!d)
		return -ENOENT;
	*out = (struct store_numbers){.nodes = d->nodes,
				      .watches = d->watches,
				      .requests = d->ring ? d->ring->requests : 0,
				      .bytes = d->bytes,
				      .memory = d->memory,
				      .conns = d->ring != NULL,
				      .transactions = d->transactions};
	return 0;
}
