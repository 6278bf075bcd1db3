/* SPDX-License-Identifier: BSD-3-Clause */
/* The store of images keeps names and files together, and writes its index away from the loop.
 * imageindex_commit() is wrapped: it tells of its thread, and can be held. */
#include "tests/unit/engine/engine_help.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/engine/images/imageindex.h"
#include "split-toolstack/engine/images/imagestore.h"

static pthread_t loop_thread;
static sem_t waits, go;
static uint32_t commits, commits_on_loop; /* atomic */
static bool hold_commit;

int __real_imageindex_commit(struct imageindex *x, const char *name, const struct image_record *r,
			     struct err *err);
int __wrap_imageindex_commit(struct imageindex *x, const char *name, const struct image_record *r,
			     struct err *err);

int __wrap_imageindex_commit(struct imageindex *x, const char *name, const struct image_record *r,
			     struct err *err)
{
	(void)__atomic_add_fetch(&commits, 1, __ATOMIC_SEQ_CST);
	if (pthread_equal(pthread_self(), loop_thread))
		(void)__atomic_add_fetch(&commits_on_loop, 1, __ATOMIC_SEQ_CST);
	if (hold_commit) {
		(void)sem_post(&waits);
		(void)sem_wait(&go);
	}
	return __real_imageindex_commit(x, name, r, err);
}

static int begin(void **state)
{
	loop_thread = pthread_self();
	commits = commits_on_loop = 0;
	hold_commit = false;
	(void)sem_init(&waits, 0, 0);
	(void)sem_init(&go, 0, 0);
	return setup_cold(state);
}

static int end(void **state)
{
	assert_int_equal(commits_on_loop, 0);
	return teardown(state);
}

struct answer {
	bool called;
	int rc;
	struct err err;
};

static void imported(void *arg, int rc, const struct stored_image *i, const struct err *e)
{
	struct answer *a = arg;

	(void)i;
	a->called = true;
	a->rc = rc;
	a->err = *e;
}

static void begin_import(const char *name, struct answer *a)
{
	int fd = open(GUEST_NOOP, O_RDONLY | O_CLOEXEC);
	struct err e = {0};

	*a = (struct answer){0};
	assert_true(fd >= 0);
	assert_int_equal(imagestore_import(engine_imagestore(en), name, fd, imported, a, &e), 0);
}

static void import(const char *name)
{
	struct answer a;

	begin_import(name, &a);
	turn(&a.called);
	assert_int_equal(a.rc, 0);
}

/* Files of the store: those of images, and others but the index. */
static uint32_t files(const char *begins, char *last)
{
	DIR *d = opendir(conf().image_dir);
	const struct dirent *f;
	uint32_t n = 0;

	assert_non_null(d);
	while ((f = readdir(d)) != NULL) {
		bool image = strlen(f->d_name) == 64;

		if (begins ? strncmp(f->d_name, begins, strlen(begins)) != 0 : !image)
			continue;
		n++;
		if (last)
			(void)snprintf(last, 256, "%s", f->d_name);
	}
	(void)closedir(d);
	return n;
}

static void was_removed(void *arg, int rc, const struct err *e)
{
	struct answer *a = arg;

	assert_false(a->called);
	a->called = true;
	a->rc = rc;
	if (e)
		a->err = *e;
}

static void begin_rm(const char *name, struct answer *a)
{
	*a = (struct answer){0};
	assert_int_equal(imagestore_rm(engine_imagestore(en), name, was_removed, a, NULL), 0);
	assert_false(a->called);
}

static void rm(const char *name)
{
	struct answer a;

	begin_rm(name, &a);
	turn(&a.called);
	assert_int_equal(a.rc, 0);
}

static void an_import_and_an_rm(void **state)
{
	struct answer a;
	struct answer gone;

	(void)state;
	import("first");
	assert_int_equal(files(NULL, NULL), 1);
	begin_import("second", &a); /* the same content */
	begin_rm("first", &gone);
	turn(&a.called);
	turn(&gone.called);
	assert_int_equal(a.rc, 0);
	assert_int_equal(gone.rc, 0);
	assert_int_equal(files(NULL, NULL), 1);
	assert_int_equal(create(with_kernel(guest("vm", DOM_PV, 256), "image:second"), 0).rc, 0);
	rm("second");
	assert_int_equal(files(NULL, NULL), 0);
	assert_int_equal(imagestore_rm(engine_imagestore(en), "second", was_removed, &gone, NULL),
			 -ENOENT);
}

/* What loses its last name goes, and what was imported meanwhile stays. */
static void an_rm_beside_an_import(void **state)
{
	struct answer a;
	int fd;

	(void)state;
	import("first");
	fd = open(GUEST_VIEW, O_RDONLY | O_CLOEXEC);
	a = (struct answer){0};
	assert_int_equal(imagestore_import(engine_imagestore(en), "other", fd, imported, &a, NULL),
			 0);
	rm("first");
	turn(&a.called);
	assert_int_equal(a.rc, 0);
	assert_int_equal(files(NULL, NULL), 1);
}

static uint32_t names(void)
{
	char last[IMAGE_NAME_MAX + 1] = "";
	struct stored_image i;
	uint32_t n = 0;

	for (; imagestore_next(engine_imagestore(en), last, &i); n++) {
		assert_true(strcmp(i.name, last) > 0);
		(void)snprintf(last, sizeof(last), "%s", i.name);
	}
	return n;
}

/* The disk does not answer when the index is written: nothing waits but the changes themselves,
 * which are made in their order. */
static void a_commit_that_hangs(void **state)
{
	struct answer imports[2];
	struct answer rms[2];

	(void)state;
	import("old");
	hold_commit = true;
	begin_rm("old", &rms[0]);
	begin_rm("old", &rms[1]);
	begin_import("new", &imports[0]);
	begin_import("newer", &imports[1]);
	(void)ev_run(loop, EVRUN_NOWAIT); /* wakes the threads */
	(void)sem_wait(&waits);
	assert_int_equal(create(with_kernel(guest("vm", DOM_PV, 256), "image:old"), 0).rc, 0);
	assert_int_equal(vm_destroy(engine_find(en, "vm"), NULL), 0);
	assert_int_equal(names(), 1);
	assert_false(rms[0].called || rms[1].called || imports[0].called || imports[1].called);
	hold_commit = false;
	(void)sem_post(&go);
	turn(&rms[0].called);
	turn(&rms[1].called);
	turn(&imports[0].called);
	turn(&imports[1].called);
	assert_int_equal(rms[0].rc, 0);
	assert_int_equal(rms[1].rc, -ENOENT);
	assert_int_equal(imports[0].rc, 0);
	assert_int_equal(imports[1].rc, 0);
	assert_int_equal(names(), 2);
	assert_int_equal(files(NULL, NULL), 1);
	assert_int_equal(files("new-", NULL), 0);
	settle(0);
}

static void a_start_sweeps(void **state)
{
	struct engine_conf c = conf();
	char path[512], file[256];
	int fd;

	(void)state;
	import("kept");
	assert_int_equal(files(NULL, file), 1);
	for (int i = 0; i < 3; i++) {
		static const char *const left[] = {
			"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			"new-123", "a-file-of-somebody"};

		(void)snprintf(path, sizeof(path), "%s/%s", c.image_dir, left[i]);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		(void)close(fd);
	}
	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	assert_int_equal(files(NULL, NULL), 1);
	assert_int_equal(files("new-", NULL), 0);
	assert_int_equal(files("a-file", NULL), 1);
	assert_int_equal(create(with_kernel(guest("vm", DOM_PV, 256), "image:kept"), 0).rc, 0);
	(void)snprintf(path, sizeof(path), "%s/%s", c.image_dir, file);
	assert_int_equal(unlink(path), 0);
	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	assert_int_equal(names(), 0); /* a name that pointed to nothing */
	assert_int_equal(commits_on_loop, 1);
	commits_on_loop = 0; /* before the loop runs */
}

int main(void)
{
#define APART(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		APART(an_import_and_an_rm),
		APART(an_rm_beside_an_import),
		APART(a_commit_that_hangs),
		APART(a_start_sweeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
