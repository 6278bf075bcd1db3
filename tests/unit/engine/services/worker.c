/* SPDX-License-Identifier: BSD-3-Clause */
/* Files, builds and destroys do not wait for each other; a build waits for memory that comes. */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/services/worker.h"

#define MIB	 1024u
#define BIG	 (32u * MIB) /* built on the worker */
#define PAGES(k) ((k) / 4u)

struct waiting {
	bool called;
	int rc;
	struct err err;
};

static void on_created(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
		       const struct err *e)
{
	struct waiting *w = arg;

	(void)vm;
	(void)t;
	assert_false(w->called);
	w->called = true;
	w->rc = rc;
	if (e)
		w->err = *e;
}

static void begin(struct waiting *w, const char *name, uint64_t kib)
{
	struct vm_config c = guest(name, DOM_PV, kib);

	engine_create(en, &c, 0, on_created, w);
	vm_config_clear(&c);
}

/* A VM whose destroy hangs. */
static void destroy_that_hangs(uint64_t kib)
{
	struct result r = create(guest("old", DOM_PV, kib), 0);

	assert_int_equal(r.rc, 0);
	fake_hold_destroy(vm_domid(r.vm));
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	worker_hurry(engine_worker(en)); /* it would begin in a moment */
	(void)ev_run(loop, EVRUN_NOWAIT);
	fake_await_destroy();
}

static int let_go(void **state)
{
	fake_hold_destroy(0);
	return teardown(state);
}

static void a_build_does_not_wait_for_a_destroy(void **state)
{
	struct waiting w = {0};

	(void)state;
	destroy_that_hangs(BIG);
	begin(&w, "new", BIG);
	turn(&w.called);
	assert_true(w.called);
	assert_int_equal(w.rc, 0);
	fake_hold_destroy(0);
	settle(1);
}

static void a_build_that_lacks_memory_waits_for_it(void **state)
{
	static const uint64_t sizes[] = {256, BIG}; /* on the loop, on the worker */

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct waiting w = {0};

		destroy_that_hangs(BIG);
		fake_set_free(10);
		begin(&w, "new", sizes[i]);
		turn(NULL);
		assert_false(w.called);
		fake_hold_destroy(0);
		turn(&w.called);
		assert_true(w.called);
		assert_int_equal(w.rc, 0);
		fake_set_free(1u << 20);
		assert_int_equal(vm_destroy(engine_find(en, "new"), NULL), 0);
		settle(0);
		only_the_daemon_is_left();
	}
}

/* It is no build yet: Xen has no memory for the channel of its id. */
static void a_create_without_an_id_does_not_wait(void **state)
{
	struct waiting w = {0};
	struct slot held[32]; /* those that idle time has made */
	uint32_t n = 0;

	(void)state;
	destroy_that_hangs(BIG);
	while (slots_ready(engine_slots(en)) && n < 32)
		assert_int_equal(slot_take(engine_slots(en), true, &held[n++], NULL), 0);
	fake_fail_at(1, ENOMEM);
	begin(&w, "new", 256);
	fake_fail_at(0, 0);
	assert_true(w.called);
	assert_int_equal(w.rc, -ENOMEM);
	while (n)
		slot_put(engine_slots(en), &held[--n]);
	fake_hold_destroy(0);
	settle(0);
	only_the_daemon_is_left();
}

/* Memory is there when the build begins, and another one has taken it when it is populated. */
static void a_build_that_runs_out_waits_too(void **state)
{
	struct waiting w[2] = {0};

	(void)state;
	destroy_that_hangs(BIG);
	fake_set_free(PAGES(BIG) + 64);
	begin(&w[0], "one", BIG);
	begin(&w[1], "two", BIG);
	turn(&w[0].called);
	turn(NULL);
	assert_true(w[0].called);
	assert_false(w[1].called);
	fake_hold_destroy(0);
	turn(&w[1].called);
	assert_int_equal(w[0].rc, 0);
	assert_int_equal(w[1].rc, 0);
	settle(2);
}

/* What the destroy gives back does not suffice: the build fails then, and not before. */
static void it_fails_when_the_memory_is_not_enough(void **state)
{
	struct waiting w[2] = {0};

	(void)state;
	destroy_that_hangs(BIG);
	fake_set_free(10);
	begin(&w[0], "one", BIG);
	begin(&w[1], "two", BIG);
	turn(NULL);
	assert_false(w[0].called || w[1].called);
	fake_hold_destroy(0);
	turn(&w[1].called);
	assert_int_equal(w[0].rc, 0);
	assert_int_equal(w[1].rc, -ENOMEM);
	assert_non_null(strstr(w[1].err.msg, "memory"));
	settle(1);
}

static void what_waits_can_be_destroyed(void **state)
{
	struct waiting w = {0};

	(void)state;
	destroy_that_hangs(BIG);
	fake_set_free(10);
	begin(&w, "new", BIG);
	turn(NULL);
	assert_false(w.called);
	assert_int_equal(vm_destroy(engine_find(en, "new"), NULL), 0);
	fake_hold_destroy(0);
	turn(&w.called);
	assert_int_equal(w.rc, -ECANCELED);
	settle(0);
	only_the_daemon_is_left();
}

/* A daemon that ends does what it has begun, in every queue. */
static void the_end_leaves_nothing_behind(void **state)
{
	struct waiting w[2] = {0};
	struct fake_count n;

	(void)state;
	destroy_that_hangs(BIG);
	fake_set_free(10);
	begin(&w[0], "one", BIG);
	begin(&w[1], "two", 256);
	turn(NULL);
	fake_hold_destroy(0);
	engine_close(en);
	en = NULL;
	assert_true(w[0].called && w[1].called);
	fake_count(&n);
	assert_int_equal(n.handles, 0);
	assert_int_equal(n.mapped_pages, 0);
}

/* A file that does not answer until it is told to. */
struct hanging {
	struct worker_job job;
	sem_t *answer;
	sem_t ended;
	bool done;
};

static void hang(struct worker_job *job, struct xen *x)
{
	struct hanging *h = (struct hanging *)job;

	assert_null(x);
	if (h->answer)
		(void)sem_wait(h->answer);
	(void)sem_post(&h->ended);
}

static void hung(struct worker_job *job)
{
	((struct hanging *)job)->done = true;
}

static void read_file(struct hanging *h, sem_t *answer)
{
	*h = (struct hanging){.job = {.work = hang, .done = hung}, .answer = answer};
	(void)sem_init(&h->ended, 0, 0);
	worker_push(engine_worker(en), WORKER_FILES, &h->job);
	(void)ev_run(loop, EVRUN_NOWAIT);
}

#define HANGING 15

static void files_that_hang_hold_up_nothing(void **state)
{
	static struct hanging h[HANGING], other[3];
	struct result r;
	sem_t answer;

	(void)state;
	(void)sem_init(&answer, 0, 0);
	for (int i = 0; i < HANGING; i++)
		read_file(&h[i], &answer);
	for (int i = 0; i < 3; i++) {
		read_file(&other[i], NULL);
		turn(&other[i].done);
		assert_true(other[i].done);
	}
	r = create(guest("big", DOM_PV, BIG), 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	settle(0);
	for (int i = 0; i < HANGING; i++) {
		assert_false(h[i].done);
		(void)sem_post(&answer);
	}
	for (int i = 0; i < HANGING; i++)
		turn(&h[i].done);
	only_the_daemon_is_left();
}

/* More than there are threads: each has its turn, and no job is lost. */
static void more_files_than_threads_have_their_turn(void **state)
{
	static struct hanging h[100];
	sem_t answer;

	(void)state;
	(void)sem_init(&answer, 0, 0);
	for (int i = 0; i < 100; i++)
		read_file(&h[i], &answer);
	for (int i = 0; i < 100; i++)
		(void)sem_post(&answer);
	for (int i = 0; i < 100; i++) {
		turn(&h[i].done);
		assert_true(h[i].done);
	}
}

/* The engine closes beside a file that never answers; when it does, nothing is left to tell. */
static void the_end_waits_for_no_file_for_ever(void **state)
{
	static struct hanging h;
	static sem_t answer;
	struct result r = create(guest("big", DOM_PV, BIG), 0);

	(void)state;
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	(void)sem_init(&answer, 0, 0);
	read_file(&h, &answer);
	engine_close(en);
	en = NULL;
	assert_false(h.done);
	(void)sem_post(&answer);
	(void)sem_wait(&h.ended);
	assert_false(h.done);
}

#define HELD(f) cmocka_unit_test_setup_teardown(f, setup, let_go)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HELD(a_build_does_not_wait_for_a_destroy),
		HELD(a_build_that_lacks_memory_waits_for_it),
		HELD(a_create_without_an_id_does_not_wait),
		HELD(a_build_that_runs_out_waits_too),
		HELD(it_fails_when_the_memory_is_not_enough),
		HELD(what_waits_can_be_destroyed),
		HELD(the_end_leaves_nothing_behind),
		LIFE(files_that_hang_hold_up_nothing),
		LIFE(more_files_than_threads_have_their_turn),
		LIFE(the_end_waits_for_no_file_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
