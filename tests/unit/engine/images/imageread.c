/* SPDX-License-Identifier: BSD-3-Clause */
/* Images are read away from the loop, once for all that want them. image_open() is wrapped: it
 * tells of its thread, and can be held. */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_t loop_thread;
static uint32_t opened, on_loop; /* atomic: calls of image_open() */
static const char *held;	 /* the end of the name that waits for `go` */
static sem_t waits, go;

int __real_image_open(int fd, const char *name, const char *cache_dir, struct image **out,
		      struct err *e);
int __wrap_image_open(int fd, const char *name, const char *cache_dir, struct image **out,
		      struct err *e);

int __wrap_image_open(int fd, const char *name, const char *cache_dir, struct image **out,
		      struct err *e)
{
	size_t n = strlen(name);

	(void)__atomic_add_fetch(&opened, 1, __ATOMIC_SEQ_CST);
	if (pthread_equal(pthread_self(), loop_thread))
		(void)__atomic_add_fetch(&on_loop, 1, __ATOMIC_SEQ_CST);
	if (held && n >= strlen(held) && strcmp(name + n - strlen(held), held) == 0) {
		(void)sem_post(&waits);
		(void)sem_wait(&go);
	}
	return __real_image_open(fd, name, cache_dir, out, e);
}

static int begin(void **state)
{
	loop_thread = pthread_self();
	opened = on_loop = 0;
	held = NULL;
	(void)sem_init(&waits, 0, 0);
	(void)sem_init(&go, 0, 0);
	return setup_cold(state);
}

static int end(void **state)
{
	assert_int_equal(on_loop, 0);
	return teardown(state);
}

/* Another file of the same guest. */
static char *copy_of_guest(const char *name)
{
	char command[512];
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", conf().run_dir, name);
	(void)snprintf(command, sizeof(command), "cp %s %s", GUEST_NOOP, path);
	assert_int_equal(system(command), 0);
	return path;
}

static void one_read_for_all(void **state)
{
	struct result r[3] = {{0}};

	(void)state;
	for (int i = 0; i < 3; i++) {
		char name[8] = {(char)('a' + i), '\0'};

		create_begin(guest(name, DOM_PV, 256), 0, &r[i]);
		assert_false(r[i].called);
	}
	for (int i = 0; i < 3; i++) {
		turn(&r[i].called);
		assert_int_equal(r[i].rc, 0);
	}
	assert_int_equal(opened, 1);
	/* from then on it is in the cache: the loop has all it needs */
	r[0] = (struct result){0};
	create_begin(guest("d", DOM_PV, 256), 0, &r[0]);
	assert_true(r[0].called);
	assert_int_equal(r[0].rc, 0);
	assert_int_equal(opened, 1);
}

/* One file that does not answer: others are read, other creates go on, and its VM can be ended. */
static void a_file_that_hangs(void **state)
{
	struct result slow = {0};
	struct result again = {0};
	char path[256];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s", copy_of_guest("slow"));
	held = "/slow";
	create_begin(with_kernel(guest("slow", DOM_PV, 256), path), 0, &slow);
	(void)ev_run(loop, EVRUN_NOWAIT);
	(void)sem_wait(&waits);
	assert_int_equal(create(guest("quick", DOM_PV, 256), 0).rc, 0);
	assert_int_equal(create(guest("quicker", DOM_PVH, 256), 0).rc, 0);
	assert_false(slow.called);
	assert_int_equal(vm_destroy(engine_find(en, "slow"), NULL), 0);
	assert_true(slow.called);
	assert_int_equal(slow.rc, -ECANCELED);
	create_begin(with_kernel(guest("slow", DOM_PV, 256), path), 0,
		     &again); /* the name is free; the same read does */
	assert_false(again.called);
	held = NULL;
	(void)sem_post(&go);
	turn(&again.called);
	assert_int_equal(again.rc, 0);
	assert_int_equal(opened, 2);
}

static void a_bad_file(void **state)
{
	struct result r = {0};
	char path[256];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s", copy_of_guest("bad"));
	assert_int_equal(truncate(path, 100), 0);
	create_begin(with_kernel(guest("bad", DOM_PV, 256), path), 0, &r);
	turn(&r.called);
	assert_int_equal(r.rc, -ENOEXEC);
	assert_non_null(strstr(r.err.msg, "program headers"));
	assert_null(engine_find(en, "bad"));
	only_the_daemon_is_left();
}

struct answer {
	bool called;
	int rc;
	struct err err;
};

static void was_set(void *arg, int rc, const struct err *e)
{
	struct answer *a = arg;

	a->called = true;
	a->rc = rc;
	a->err = *e;
}

static void flavors_are_read_apart(void **state)
{
	struct pool_flavor f = {.type = DOM_PV, .vcpus = 1, .mem_kib = 256, .low = 1, .high = 1};
	struct answer a = {0};
	struct answer b = {0};
	struct err e = {0};
	struct result r;
	char good[] = GUEST_NOOP;
	char bad[] = "/etc/passwd";

	(void)state;
	f.image = bad;
	assert_int_equal(pool_set_later(en, &f, was_set, &a, &e), 1);
	turn(&a.called);
	assert_int_equal(a.rc, -ENOEXEC);
	f.image = good;
	assert_int_equal(pool_set_later(en, &f, was_set, &b, &e), 1);
	turn(&b.called);
	assert_int_equal(b.rc, 0);
	assert_int_equal(pool_set_later(en, &f, was_set, &b, &e), 0); /* known */
	settle(1);
	r = create(guest("warm", DOM_PV, 256), 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.way, VM_GATED);
	assert_int_equal(opened, 2);
}

static void a_start_tidies_the_cache(void **state)
{
	struct engine_conf c = conf();
	char path[512];
	int fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/unpack-AbCdEf", c.cache_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
#define APART(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		APART(one_read_for_all),       APART(a_file_that_hangs),	APART(a_bad_file),
		APART(flavors_are_read_apart), APART(a_start_tidies_the_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
