/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread beside xenstored, against a xenstored that refuses, conflicts and dies; no memory. */
#include "split-toolstack/engine/devices/mirror.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/unit/unit.h"
#include "tests/unit/engine/cond_help.h"
#include "tests/unit/engine/xenstored_help.h"

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

/* --- the tests --- */

static struct ev_loop *loop;
static struct mirror *m;
static char news[16][96];
static uint32_t nnews;
static uint64_t last_done;

static void on_news(void *arg, const char *path, const char *value, uint32_t len, uint64_t done)
{
	(void)arg;
	last_done = done;
	if (nnews >= 16) {
		nnews++;
		return;
	}
	if (value)
		assert_int_equal(strlen(value), len);
	(void)snprintf(news[nnews++], sizeof(news[0]), "%s%s%s", path, value ? "=" : " is gone",
		       value ? value : "");
}

static void on_told(void *arg, uint32_t key)
{
	char text[16];

	(void)arg;
	(void)snprintf(text, sizeof(text), "%u", key);
	on_news(NULL, "told", text, (uint32_t)strlen(text), last_done);
}

static int start(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR + 1);
	loop_thread = pthread_self();
	xs_reset();
	atomic_store(&fail_other, false);
	atomic_store(&fail_in, -1);
	nnews = 0;
	loop = ev_loop_new(EVFLAG_AUTO);
	return mirror_open(loop, on_news, on_told, NULL, &m, NULL);
}

static int stop(void **state)
{
	(void)state;
	mirror_close(m); /* what was asked for is done first */
	m = NULL;
	assert_int_equal(atomic_load(&xs_opened), 0);
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
	xs_put_in("/old", "1");
	assert_int_equal(put("/a", "1"), 0);
	assert_int_equal(put("/a", "2"), 0);
	assert_int_equal(put("/b", "3"), 0);
	assert_int_equal(mirror_rm(m, "/b"), 0);
	assert_int_equal(mirror_rm(m, "/old"), 0);
	assert_int_equal(mirror_rm(m, "/nonesuch"), 0);
	close_now();
	assert_true(xs_has("/a", "2"));
	assert_true(xs_has("/b", NULL));
	assert_true(xs_has("/old", NULL));
}

/* What was asked for before is done then, also without a xenstored. */
static void it_tells_when_all_is_done(void **state)
{
	(void)state;
	xs_put_in("/old/1", "1");
	assert_int_equal(put("/a", "1"), 0);
	assert_int_equal(mirror_rm(m, "/old"), 0);
	assert_int_equal(mirror_tell(m, 32751), 0);
	wait_news(1);
	assert_string_equal(news[0], "told=32751");
	assert_true(xs_has("/a", "1"));
	assert_true(xs_has("/old/1", NULL));
	/* with others behind them */
	for (uint32_t i = 2; i < 8; i++) {
		assert_int_equal(mirror_tell(m, i), 0);
		assert_int_equal(put("/a", "2"), 0);
	}
	while (nnews < 7)
		(void)ev_run(loop, EVRUN_ONCE);
	assert_string_equal(news[6], "told=7");
	atomic_store(&fail_in, 0);
	assert_int_equal(mirror_tell(m, 3), -ENOMEM);
	atomic_store(&fail_in, -1);
	(void)snprintf(xs_refused, sizeof(xs_refused), "/b");
	xs_refusal = EBADF; /* as if it had died */
	assert_int_equal(put("/b", "1"), 0);
	assert_int_equal(mirror_tell(m, 4), 0);
	wait_news(8);
	assert_true(mirror_is_dead(m) && strcmp(news[7], "told=4") == 0);
	assert_int_equal(mirror_tell(m, 5), 0);
	close_now(); /* none is told any more */
	assert_int_equal(nnews, 8);
}

static void changes_come_from_there(void **state)
{
	(void)state;
	xs_put_in("/b/1", "");
	xs_put_in("/b/1/state", "2");
	xs_put_in("/c/1", "no");
	assert_int_equal(mirror_follow(m, "/b/1"), 0);
	wait_news(2);
	assert_string_equal(news[0], "/b/1=");
	assert_string_equal(news[1], "/b/1/state=2");
	xs_put_in("/b/1/state", "4");
	wait_news(3);
	assert_string_equal(news[2], "/b/1/state=4");
	xs_put_in("/b/1/state", NULL);
	wait_news(4);
	assert_string_equal(news[3], "/b/1/state is gone");
	assert_int_equal(mirror_unfollow(m, "/b/1"), 0);
	close_now();
	xs_put_in("/b/1/state", "6");
	assert_int_equal(nnews, 4);
}

#define ONE "/vm/11111111-2222-4333-8444-555555555555"
#define TWO "/vm/99999999-2222-4333-8444-555555555555"

/* Of what is there at first names and marks, then names alone; nothing else is read. */
static void names_are_followed(void **state)
{
	(void)state;
	xs_put_in(ONE "/name", "one");
	xs_put_in(ONE "/image/ostype", "linux");
	xs_put_in(TWO "/name", "two");
	xs_put_in(TWO "/" MIRROR_MARK, "7");
	xs_put_in("/vm/odd/name", "no uuid");
	assert_int_equal(mirror_follow(m, MIRROR_NAMES), 0);
	wait_news(3);
	assert_string_equal(news[0], ONE "/name=one");
	assert_string_equal(news[1], TWO "/" MIRROR_MARK "=7");
	assert_string_equal(news[2], TWO "/name=two");
	assert_int_equal(atomic_load(&xs_reads), 4);
	xs_put_in(ONE "/start_time", "1");
	xs_put_in(ONE "/" MIRROR_MARK, "8");
	xs_put_in(ONE "/name", "new");
	wait_news(4);
	assert_string_equal(news[3], ONE "/name=new");
	xs_put_in(TWO, NULL);
	wait_news(5);
	assert_string_equal(news[4], TWO "/name is gone");
	assert_int_equal(atomic_load(&xs_reads), 6);
}

/* What was read before a request was done can be told from what was read after it. */
static void news_say_when_they_were_read(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(mirror_follow(m, "/b"), 0);
	wait_news(1);
	before = mirror_asked(m);
	assert_int_equal(last_done, before);
	assert_int_equal(put("/b", "1"), 0);
	assert_int_equal(mirror_asked(m), before + 1);
	wait_news(2);
	assert_string_equal(news[1], "/b=1");
	assert_int_equal(last_done, before + 1);
}

/* A loop that takes no news: the thread stops, and nothing is lost when the loop goes on. */
static void news_are_bounded(void **state)
{
	const uint32_t all = 3000; /* of which a part has room */
	char path[64];
	int reads;

	(void)state;
	assert_int_equal(mirror_follow(m, "/b"), 0);
	wait_news(1);
	atomic_store(&cond_waits, 0);
	for (uint32_t i = 0; i < all; i++) {
		(void)snprintf(path, sizeof(path), "/b/%032u", i % 8);
		xs_put_in(path, "a value of some length, as it is with ten of them");
	}
	while (atomic_load(&cond_waits) == 0) /* until the queue is full */
		(void)sched_yield();
	reads = atomic_load(&xs_reads);
	assert_true(reads > 1000 && reads < 2500);
	assert_int_equal(put("/a", "1"), 0);
	assert_true(xs_has("/a", NULL));
	wait_news(1 + all);
	while (!xs_has("/a", "1"))
		(void)sched_yield();
	/* ... and an end of the daemon ends the wait */
	for (uint32_t i = 0; i < all; i++)
		xs_put_in("/b/1", "a value of some length, as it is with ten of them");
	assert_int_equal(put("/a", "2"), 0);
	close_now();
	assert_true(xs_has("/a", "2"));
	assert_int_equal(nnews, 1 + all);
}

/* 64 news a turn: what else the loop has to do is not held up. */
static void news_come_in_slices(void **state)
{
	(void)state;
	assert_int_equal(mirror_follow(m, "/b"), 0);
	wait_news(1);
	for (int i = 0; i < 200; i++)
		xs_put_in("/b/1", "1");
	while (atomic_load(&xs_reads) < 201)
		(void)sched_yield();
	assert_int_equal(put("/a", "1"), 0);
	while (!xs_has("/a", "1")) /* then all of them wait for the loop */
		(void)sched_yield();
	for (uint32_t n = 1; n < 201;) {
		uint32_t had = nnews;

		(void)ev_run(loop, EVRUN_ONCE);
		assert_true(nnews - had <= 64);
		n = nnews;
	}
	assert_int_equal(nnews, 201);
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
	atomic_store(&xs_conflicts, 3);
	fill("/a", "/b");
	assert_int_equal(put("/after", "1"), 0);
	stop(state);
	assert_int_equal(atomic_load(&xs_conflicts), 0);
	assert_true(xs_has("/a", "1") && xs_has("/b", "2") && xs_has("/after", "1"));
	assert_int_equal(atomic_load(&xs_commits), 1);

	assert_int_equal(start(state), 0); /* one of the writes is refused */
	(void)snprintf(xs_refused, sizeof(xs_refused), "/b");
	fill("/a", "/b");
	assert_int_equal(put("/b", "1"), 0);
	assert_int_equal(put("/after", "1"), 0);
	stop(state);
	assert_true(xs_has("/a", NULL) && xs_has("/b", NULL) && xs_has("/after", "1"));
	assert_int_equal(atomic_load(&xs_aborts), 1);

	assert_int_equal(start(state), 0); /* no transaction is to be had */
	atomic_store(&xs_refuse_start, 1);
	fill("/a", "/b");
	assert_int_equal(put("/after", "1"), 0);
	stop(state);
	assert_true(xs_has("/a", NULL) && xs_has("/after", "1"));

	assert_int_equal(start(state), 0); /* others disturb it for ever */
	atomic_store(&xs_conflicts, 1 << 20);
	fill("/a", "/b");
	assert_int_equal(put("/after", "1"), 0);
	stop(state);
	assert_true(xs_has("/a", NULL) && xs_has("/after", "1"));
	assert_int_equal(atomic_load(&xs_conflicts), (1 << 20) - 100);
	assert_int_equal(start(state), 0);
}

/* Its end of the events closes: nothing turns in circles, and closing works. */
static void xenstored_dies(void **state)
{
	int seen = -1;

	(void)state;
	assert_int_equal(mirror_follow(m, "/b"), 0);
	wait_news(1);
	xs_dies();
	for (int i = 0; i < 50; i++) { /* its thread goes round once for each of them */
		assert_int_equal(put("/a", i & 1 ? "odd" : "even"), 0);
		while (mirror_backlog(m))
			(void)sched_yield();
		seen = i == 9 ? atomic_load(&xs_looks) : seen;
	}
	assert_true(atomic_load(&xs_looks) - seen <= 41);
	assert_true(mirror_is_dead(m));
	assert_true(xs_has("/a", NULL)); /* nothing is asked of it any more */
	close_now();
}

/* libxenstore does not tell of its end; a request that fails does. */
static void xenstored_does_not_answer(void **state)
{
	(void)state;
	(void)snprintf(xs_refused, sizeof(xs_refused), "/b");
	xs_refusal = EBADF;
	assert_int_equal(put("/b", "1"), 0);
	while (!mirror_is_dead(m))
		(void)sched_yield();
	assert_int_equal(put("/a", "1"), 0);
	close_now();
	assert_true(xs_has("/a", NULL));
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
	while (!xs_has("/a", "2"))
		(void)sched_yield();
	/* the thread ends all the same */
	assert_int_equal(mirror_begin(m), 0);
	assert_int_equal(put("/c", "1"), 0);
	atomic_store(&fail_in, 0);
	close_now();
	assert_true(xs_has("/c", NULL));
	assert_int_equal(atomic_load(&xs_opened), 0);
	for (int n = 0; n < 2; n++) {
		struct err e = {0};

		atomic_store(&fail_in, n);
		assert_int_equal(mirror_open(loop, on_news, on_told, NULL, &other, &e), -ENOMEM);
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
	atomic_store(&xs_opened, -1);
	assert_int_equal(mirror_open(loop, on_news, on_told, NULL, &other, &e), -ECONNREFUSED);
	assert_null(other);
	assert_non_null(strstr(e.msg, "xenstored"));
	atomic_store(&xs_opened, 0);
}

int main(void)
{
#define MIRROR(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		MIRROR(changes_go_there),
		MIRROR(changes_come_from_there),
		MIRROR(names_are_followed),
		MIRROR(news_say_when_they_were_read),
		MIRROR(news_are_bounded),
		MIRROR(news_come_in_slices),
		MIRROR(transactions_are_all_or_nothing),
		MIRROR(it_tells_when_all_is_done),
		MIRROR(xenstored_dies),
		MIRROR(xenstored_does_not_answer),
		MIRROR(no_memory),
		MIRROR(nobody_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
