/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread beside xenstored, against a xenstored that refuses, conflicts and dies; no memory. */
#include "split-toolstack/engine/mirror.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenstore.h>

#include "base/log.h"
#include "tests/unit/unit.h"

#define NODES 32u

/* --- memory that fails, for one thread --- */

static pthread_t loop_thread;
static atomic_int fail_in = -1; /* so many more calls of the loop's thread succeed; -1: all */
static atomic_bool fail_other;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);

static bool must_fail(void)
{
	int left = atomic_load(&fail_in);

	if (!pthread_equal(pthread_self(), loop_thread))
		return atomic_load(&fail_other);
	if (left > 0)
		atomic_store(&fail_in, left - 1);
	return left == 0;
}

void *__wrap_malloc(size_t n)
{
	return must_fail() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return must_fail() ? NULL : __real_calloc(n, size);
}

/* --- a xenstored --- */

struct xs_handle {
	int pipe[2];
};

struct node {
	char path[64], value[32];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct node tree[NODES], before[NODES]; /* before: a transaction that is undone */
static char watched[64];
static char event[64]; /* to be told; "": none */
static struct xs_handle handle;
static atomic_int opened, conflicts, refuse_start, looks, commits, aborts;
static char refused[64]; /* what may not be written */

static struct node *find(const char *path)
{
	for (uint32_t i = 0; i < NODES; i++)
		if (strcmp(tree[i].path, path) == 0)
			return &tree[i];
	return NULL;
}

/* As if somebody else had written; a watch that covers it fires. */
static void put_in(const char *path, const char *value)
{
	(void)pthread_mutex_lock(&lock);
	struct node *n = find(path);

	if (!n)
		n = find("");
	assert_non_null(n);
	(void)snprintf(n->path, sizeof(n->path), "%s", value ? path : "");
	(void)snprintf(n->value, sizeof(n->value), "%s", value ? value : "");
	if (watched[0] && strncmp(path, watched, strlen(watched)) == 0) {
		(void)snprintf(event, sizeof(event), "%s", path);
		assert_int_equal(write(handle.pipe[1], "e", 1), 1);
	}
	(void)pthread_mutex_unlock(&lock);
}

static bool has(const char *path, const char *value)
{
	(void)pthread_mutex_lock(&lock);
	const struct node *n = find(path);
	bool yes = n ? value && strcmp(n->value, value) == 0 : !value;

	(void)pthread_mutex_unlock(&lock);
	return yes;
}

struct xs_handle *xs_open(unsigned long flags)
{
	(void)flags;
	if (atomic_load(&opened) < 0) {
		errno = ECONNREFUSED;
		return NULL;
	}
	assert_int_equal(pipe(handle.pipe), 0);
	atomic_fetch_add(&opened, 1);
	return &handle;
}

void xs_close(struct xs_handle *h)
{
	assert_int_equal(atomic_fetch_sub(&opened, 1), 1);
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

	(void)h;
	(void)t;
	assert_int_equal(atomic_load(&opened), 1);
	(void)pthread_mutex_lock(&lock);
	const struct node *n = find(path);

	if (n) {
		value = strdup(n->value);
		*len = (unsigned int)strlen(n->value);
	}
	errno = ENOENT;
	(void)pthread_mutex_unlock(&lock);
	return value;
}

/* Of one level, as the tests have it. */
char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
	char **list = __real_malloc(NODES * (sizeof(char *) + sizeof(tree[0].path)));
	char *text = (char *)(list + NODES);
	size_t n = strlen(path);

	(void)h;
	(void)t;
	*num = 0;
	(void)pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < NODES; i++) {
		if (strncmp(tree[i].path, path, n) != 0 || tree[i].path[n] != '/' ||
		    strchr(tree[i].path + n + 1, '/'))
			continue;
		list[(*num)++] = text;
		text += snprintf(text, sizeof(tree[0].path), "%s", tree[i].path + n + 1) + 1;
	}
	(void)pthread_mutex_unlock(&lock);
	return list;
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
	      unsigned int len)
{
	char value[32];

	(void)h;
	(void)t;
	assert_int_equal(atomic_load(&opened), 1);
	if (strcmp(path, refused) == 0) {
		errno = EACCES;
		return false;
	}
	(void)snprintf(value, sizeof(value), "%.*s", (int)len, (const char *)data);
	put_in(path, value);
	return true;
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
	(void)h;
	(void)t;
	if (has(path, NULL)) {
		errno = ENOENT;
		return false;
	}
	put_in(path, NULL);
	return true;
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	(void)token;
	(void)pthread_mutex_lock(&lock);
	(void)snprintf(watched, sizeof(watched), "%s", path);
	(void)snprintf(event, sizeof(event), "%s", path);
	(void)pthread_mutex_unlock(&lock);
	return write(h->pipe[1], "e", 1) == 1;
}

bool xs_unwatch(struct xs_handle *h, const char *path, const char *token)
{
	(void)h;
	(void)token;
	(void)pthread_mutex_lock(&lock);
	if (strcmp(path, watched) == 0)
		watched[0] = '\0';
	(void)pthread_mutex_unlock(&lock);
	return true;
}

char **xs_check_watch(struct xs_handle *h)
{
	char **e = NULL;
	char byte;

	atomic_fetch_add(&looks, 1);
	(void)pthread_mutex_lock(&lock);
	if (event[0]) {
		e = __real_malloc(2 * sizeof(char *) + 2 * sizeof(event));
		e[XS_WATCH_PATH] = memcpy(e + 2, event, sizeof(event));
		e[XS_WATCH_TOKEN] = memcpy(e[0] + sizeof(event), watched, sizeof(watched));
		event[0] = '\0';
		(void)!read(h->pipe[0], &byte, 1);
	}
	(void)pthread_mutex_unlock(&lock);
	errno = EAGAIN;
	return e;
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
	(void)h;
	if (atomic_load(&refuse_start)) {
		errno = ENOSPC;
		return XBT_NULL;
	}
	memcpy(before, tree, sizeof(tree));
	return 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	bool conflict = !abort && atomic_load(&conflicts) > 0;

	(void)h;
	assert_int_equal(t, 1);
	if (conflict)
		atomic_fetch_sub(&conflicts, 1);
	if (abort || conflict)
		memcpy(tree, before, sizeof(tree));
	atomic_fetch_add(abort ? &aborts : &commits, !conflict);
	errno = EAGAIN;
	return !conflict;
}

/* --- the tests --- */

static struct ev_loop *loop;
static struct mirror *m;
static char news[16][96];
static uint32_t nnews;

static void on_news(void *arg, const char *path, const char *value, uint32_t len)
{
	(void)arg;
	assert_true(nnews < 16);
	if (value)
		assert_int_equal(strlen(value), len);
	(void)snprintf(news[nnews++], sizeof(news[0]), "%s%s%s", path, value ? "=" : " is gone",
		       value ? value : "");
}

static int start(void **state)
{
	static atomic_int *const counts[] = {&opened, &conflicts, &refuse_start, &commits, &aborts};

	(void)state;
	log_set_level(LOG_ERROR + 1);
	loop_thread = pthread_self();
	memset(tree, 0, sizeof(tree));
	watched[0] = event[0] = refused[0] = '\0';
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		atomic_store(counts[i], 0);
	atomic_store(&fail_other, false);
	atomic_store(&fail_in, -1);
	nnews = 0;
	loop = ev_loop_new(EVFLAG_AUTO);
	return mirror_open(loop, on_news, NULL, &m, NULL);
}

static int stop(void **state)
{
	(void)state;
	mirror_close(m); /* what was asked for is done first */
	m = NULL;
	assert_int_equal(atomic_load(&opened), 0);
	ev_loop_destroy(loop);
	return 0;
}

static void close_now(void)
{
	mirror_close(m);
	m = NULL;
}

static void wait_news(uint32_t n)
{
	while (nnews < n)
		(void)ev_run(loop, EVRUN_ONCE);
	assert_int_equal(nnews, n);
}

static int put(const char *path, const char *value)
{
	return mirror_put(m, path, value, (uint32_t)strlen(value));
}

static void changes_go_there(void **state)
{
	(void)state;
	put_in("/old", "1");
	assert_int_equal(put("/a", "1"), 0);
	assert_int_equal(put("/a", "2"), 0);
	assert_int_equal(put("/b", "3"), 0);
	assert_int_equal(mirror_rm(m, "/b"), 0);
	assert_int_equal(mirror_rm(m, "/old"), 0);
	assert_int_equal(mirror_rm(m, "/nonesuch"), 0);
	close_now();
	assert_true(has("/a", "2"));
	assert_true(has("/b", NULL));
	assert_true(has("/old", NULL));
}

static void changes_come_from_there(void **state)
{
	(void)state;
	put_in("/b/1", "");
	put_in("/b/1/state", "2");
	put_in("/c/1", "no");
	assert_int_equal(mirror_follow(m, "/b/1"), 0);
	wait_news(2);
	assert_string_equal(news[0], "/b/1=");
	assert_string_equal(news[1], "/b/1/state=2");
	put_in("/b/1/state", "4");
	wait_news(3);
	assert_string_equal(news[2], "/b/1/state=4");
	put_in("/b/1/state", NULL);
	wait_news(4);
	assert_string_equal(news[3], "/b/1/state is gone");
	assert_int_equal(mirror_unfollow(m, "/b/1"), 0);
	close_now();
	put_in("/b/1/state", "6");
	assert_int_equal(nnews, 4);
}

static void fill(const char *a, const char *b)
{
	assert_int_equal(mirror_begin(m), 0);
	assert_int_equal(put(a, "1"), 0);
	assert_int_equal(put(b, "2"), 0);
	assert_int_equal(mirror_end(m), 0);
}

static void transactions_are_all_or_nothing(void **state)
{
	(void)state;
	atomic_store(&conflicts, 3);
	fill("/a", "/b");
	assert_int_equal(put("/after", "1"), 0);
	stop(state);
	assert_int_equal(atomic_load(&conflicts), 0);
	assert_true(has("/a", "1") && has("/b", "2") && has("/after", "1"));
	assert_int_equal(atomic_load(&commits), 1);

	assert_int_equal(start(state), 0); /* one of the writes is refused */
	(void)snprintf(refused, sizeof(refused), "/b");
	fill("/a", "/b");
	assert_int_equal(put("/b", "1"), 0);
	assert_int_equal(put("/after", "1"), 0);
	stop(state);
	assert_true(has("/a", NULL) && has("/b", NULL) && has("/after", "1"));
	assert_int_equal(atomic_load(&aborts), 1);

	assert_int_equal(start(state), 0); /* no transaction is to be had */
	atomic_store(&refuse_start, 1);
	fill("/a", "/b");
	assert_int_equal(put("/after", "1"), 0);
	stop(state);
	assert_true(has("/a", NULL) && has("/after", "1"));

	assert_int_equal(start(state), 0); /* others disturb it for ever */
	atomic_store(&conflicts, 1 << 20);
	fill("/a", "/b");
	assert_int_equal(put("/after", "1"), 0);
	stop(state);
	assert_true(has("/a", NULL) && has("/after", "1"));
	assert_int_equal(atomic_load(&conflicts), (1 << 20) - 100);
	assert_int_equal(start(state), 0);
}

/* Its end of the events closes: nothing turns in circles, and closing works. */
static void xenstored_dies(void **state)
{
	int seen = -1;

	(void)state;
	assert_int_equal(mirror_follow(m, "/b"), 0);
	wait_news(1);
	(void)close(handle.pipe[1]);
	handle.pipe[1] = -1;
	for (int i = 0; i < 50; i++) { /* its thread goes round once for each of them */
		assert_int_equal(put("/a", i & 1 ? "odd" : "even"), 0);
		while (!has("/a", i & 1 ? "odd" : "even"))
			(void)sched_yield();
		seen = i == 9 ? atomic_load(&looks) : seen;
	}
	assert_true(atomic_load(&looks) - seen <= 41);
	close_now();
}

static void no_memory(void **state)
{
	struct mirror *other = NULL;

	(void)state;
	atomic_store(&fail_in, 0);
	assert_int_equal(put("/a", "1"), -ENOMEM);
	assert_int_equal(mirror_begin(m), -ENOMEM);
	assert_int_equal(put("/a", "1"), -ENOMEM); /* not in a transaction */
	assert_int_equal(mirror_follow(m, "/b"), -ENOMEM);
	atomic_store(&fail_in, 1);
	assert_int_equal(mirror_begin(m), 0);
	assert_int_equal(put("/a", "1"), -ENOMEM);
	assert_int_equal(mirror_end(m), 0);
	atomic_store(&fail_in, -1);
	atomic_store(&fail_other, true); /* news are lost, no more */
	assert_int_equal(mirror_follow(m, "/b"), 0);
	assert_int_equal(put("/a", "2"), 0);
	while (!has("/a", "2"))
		(void)sched_yield();
	/* the thread ends all the same */
	assert_int_equal(mirror_begin(m), 0);
	assert_int_equal(put("/c", "1"), 0);
	atomic_store(&fail_in, 0);
	close_now();
	assert_true(has("/c", NULL));
	assert_int_equal(atomic_load(&opened), 0);
	for (int n = 0; n < 2; n++) {
		struct err e = {0};

		atomic_store(&fail_in, n);
		assert_int_equal(mirror_open(loop, on_news, NULL, &other, &e), -ENOMEM);
		assert_null(other);
		assert_int_equal(e.code, ENOMEM);
	}
	atomic_store(&fail_in, -1);
}

static void nobody_there(void **state)
{
	struct mirror *other = NULL;
	struct err e = {0};

	(void)state;
	close_now();
	atomic_store(&opened, -1);
	assert_int_equal(mirror_open(loop, on_news, NULL, &other, &e), -ECONNREFUSED);
	assert_null(other);
	assert_non_null(strstr(e.msg, "xenstored"));
	atomic_store(&opened, 0);
}

int main(void)
{
#define MIRROR(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		MIRROR(changes_go_there),
		MIRROR(changes_come_from_there),
		MIRROR(transactions_are_all_or_nothing),
		MIRROR(xenstored_dies),
		MIRROR(no_memory),
		MIRROR(nobody_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
