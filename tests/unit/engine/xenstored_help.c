/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/xenstored_help.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenstore.h>

#include "tests/unit/unit.h"

#define NODES	1024u
#define WATCHES 64u
#define EVENTS	4096u
#define PATH	96u

struct xs_handle {
	int pipe[2];
};

struct node {
	char path[PATH], value[64];
};

struct event {
	char path[PATH], token[PATH];
};

atomic_int xs_opened, xs_conflicts, xs_refuse_start, xs_looks, xs_reads, xs_commits, xs_aborts;
char xs_refused[96];
int xs_refusal;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node tree[NODES], before[NODES]; /* before: a transaction that is undone */
static char watch[WATCHES][PATH];
static struct event event[EVENTS];
static uint32_t first_event, last_event;
static struct xs_handle handle;

void xs_reset(void)
{
	atomic_int *const counts[] = {&xs_opened, &xs_conflicts, &xs_refuse_start, &xs_commits,
				      &xs_aborts, &xs_looks,	 &xs_reads};

	memset(tree, 0, sizeof(tree));
	memset(watch, 0, sizeof(watch));
	first_event = last_event = 0;
	xs_refused[0] = '\0';
	xs_refusal = EACCES;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		atomic_store(counts[i], 0);
}

/* Not by malloc(), which units make fail. */
static void *room(size_t n)
{
	void *p = aligned_alloc(16, (n + 15) & ~(size_t)15);

	assert_non_null(p);
	return p;
}

static bool is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	return strncmp(path, top, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static struct node *find(const char *path)
{
	for (uint32_t i = 0; i < NODES; i++)
		if (strcmp(tree[i].path, path) == 0)
			return &tree[i];
	return NULL;
}

static bool exists(const char *path)
{
	for (uint32_t i = 0; i < NODES; i++)
		if (tree[i].path[0] && is_below(tree[i].path, path))
			return true;
	return false;
}

static void add_event(const char *path, const char *token)
{
	struct event *e = &event[last_event++ % EVENTS];

	assert_true(last_event - first_event <= EVENTS);
	(void)snprintf(e->path, sizeof(e->path), "%s", path);
	(void)snprintf(e->token, sizeof(e->token), "%s", token);
	if (last_event - first_event == 1 && handle.pipe[1] >= 0)
		assert_int_equal(write(handle.pipe[1], "e", 1), 1);
}

static void change(const char *path, const char *value)
{
	struct node *n = value ? find(path) : NULL;

	for (uint32_t i = 0; !value && i < NODES; i++)
		if (tree[i].path[0] && is_below(tree[i].path, path))
			tree[i].path[0] = '\0';
	if (value && !n)
		n = find("");
	if (value) {
		assert_non_null(n);
		(void)snprintf(n->path, sizeof(n->path), "%s", path);
		(void)snprintf(n->value, sizeof(n->value), "%s", value);
	}
	for (uint32_t i = 0; i < WATCHES; i++)
		if (watch[i][0] && is_below(path, watch[i]))
			add_event(path, watch[i]);
}

void xs_put_in(const char *path, const char *value)
{
	(void)pthread_mutex_lock(&lock);
	change(path, value);
	(void)pthread_mutex_unlock(&lock);
}

bool xs_has(const char *path, const char *value)
{
	const struct node *n;
	bool yes;

	(void)pthread_mutex_lock(&lock);
	n = find(path);
	yes = value ? n && strcmp(n->value, value) == 0 : !exists(path);
	(void)pthread_mutex_unlock(&lock);
	return yes;
}

uint32_t xs_watches(void)
{
	uint32_t n = 0;

	(void)pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < WATCHES; i++)
		n += watch[i][0] != '\0';
	(void)pthread_mutex_unlock(&lock);
	return n;
}

void xs_dies(void)
{
	(void)close(handle.pipe[1]);
	handle.pipe[1] = -1;
}

/* --- libxenstore --- */

struct xs_handle *xs_open(unsigned long flags)
{
	(void)flags;
	if (atomic_load(&xs_opened) < 0) {
		errno = ECONNREFUSED;
		return NULL;
	}
	assert_int_equal(pipe(handle.pipe), 0);
	atomic_fetch_add(&xs_opened, 1);
	return &handle;
}

void xs_close(struct xs_handle *h)
{
	assert_int_equal(atomic_fetch_sub(&xs_opened, 1), 1);
	(void)close(h->pipe[0]);
	if (h->pipe[1] >= 0)
		(void)close(h->pipe[1]);
}

int xs_fileno(struct xs_handle *h)
{
	return h->pipe[0];
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
	char *value = NULL;
	const struct node *n;

	(void)h;
	(void)t;
	assert_int_equal(atomic_load(&xs_opened), 1);
	atomic_fetch_add(&xs_reads, 1);
	(void)pthread_mutex_lock(&lock);
	n = find(path);
	if (n || exists(path)) {
		value = strdup(n ? n->value : "");
		*len = (unsigned int)strlen(value);
	}
	(void)pthread_mutex_unlock(&lock);
	errno = ENOENT;
	return value;
}

static bool has_name(char **list, unsigned int n, const char *name)
{
	for (unsigned int i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
	char **list = room(NODES * (sizeof(char *) + PATH));
	char *text = (char *)(list + NODES);
	size_t n = strlen(path);

	(void)h;
	(void)t;
	*num = 0;
	(void)pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < NODES; i++) {
		const char *name = tree[i].path + n + 1;

		if (strlen(tree[i].path) <= n || !is_below(tree[i].path, path))
			continue;
		(void)snprintf(text, PATH, "%.*s", (int)strcspn(name, "/"), name);
		if (has_name(list, *num, text))
			continue;
		list[(*num)++] = text;
		text += strlen(text) + 1;
	}
	(void)pthread_mutex_unlock(&lock);
	return list;
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
	      unsigned int len)
{
	char value[64];

	(void)h;
	(void)t;
	assert_int_equal(atomic_load(&xs_opened), 1);
	if (strcmp(path, xs_refused) == 0) {
		errno = xs_refusal;
		return false;
	}
	(void)snprintf(value, sizeof(value), "%.*s", (int)len, (const char *)data);
	xs_put_in(path, value);
	return true;
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	(void)h;
	(void)t;
	if (xs_has(path, NULL)) {
		errno = ENOENT;
		return false;
	}
	xs_put_in(path, NULL);
	return true;
}

static char *find_watch(const char *path)
{
	for (uint32_t i = 0; i < WATCHES; i++)
		if (strcmp(watch[i], path) == 0)
			return watch[i];
	return NULL;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	char *w;

	(void)h;
	assert_string_equal(path, token);
	(void)pthread_mutex_lock(&lock);
	w = find_watch("");
	assert_non_null(w);
	(void)snprintf(w, PATH, "%s", path);
	add_event(path, path);
	(void)pthread_mutex_unlock(&lock);
	return true;
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	char *w;

	(void)h;
	(void)token;
	(void)pthread_mutex_lock(&lock);
	w = find_watch(path);
	if (w)
		w[0] = '\0';
	(void)pthread_mutex_unlock(&lock);
	return w != NULL;
}

char **xs_check_watch(struct xs_handle *h)
{
	char **e = NULL;
	char byte;

	atomic_fetch_add(&xs_looks, 1);
	(void)pthread_mutex_lock(&lock);
	if (first_event != last_event) {
		const struct event *at = &event[first_event++ % EVENTS];

		e = room(2 * sizeof(char *) + sizeof(*at));
		e[XS_WATCH_PATH] = (char *)(e + 2);
		e[XS_WATCH_TOKEN] = e[XS_WATCH_PATH] + PATH;
		memcpy(e + 2, at, sizeof(*at));
		if (first_event == last_event)
			(void)!read(h->pipe[0], &byte, 1);
	}
	(void)pthread_mutex_unlock(&lock);
	errno = EAGAIN;
	return e;
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
	(void)h;
	if (atomic_load(&xs_refuse_start)) {
		errno = ENOSPC;
		return XBT_NULL;
	}
	memcpy(before, tree, sizeof(tree));
	return 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	bool conflict = !abort && atomic_load(&xs_conflicts) > 0;

	(void)h;
	assert_int_equal(t, 1);
	if (conflict)
		atomic_fetch_sub(&xs_conflicts, 1);
	if (abort || conflict)
		memcpy(tree, before, sizeof(tree));
	atomic_fetch_add(abort ? &xs_aborts : &xs_commits, !conflict);
	errno = EAGAIN;
	return !conflict;
}
