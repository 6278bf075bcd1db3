/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots and copies whose calls fail, or whose VM or engine ends meanwhile. */
#include "tests/unit/engine/snapshots/snap_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "split-toolstack/engine/images/imagestore.h"
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/life/pack.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/vms.h"
#include "tests/unit/readdir_help.h"

/* A call of Xen fails, the n-th: the VM goes on, and nothing is left. */
static void failing_calls_leave_nothing(void **state)
{
	(void)state;
	for (uint32_t nth = 1;; nth++) {
		struct vm *vm = nth == 1 ? living("web", DOM_PVH) : engine_find(en, "web");
		struct kept k;

		fake_fail_at(nth, EIO);
		k = keep(vm, "a");
		if (vm_state(vm) == VM_PAUSED) { /* the last unpause has failed */
			fake_fail_at(0, 0);
			assert_int_equal(vm_unpause(vm, NULL), 0);
		}
		assert_int_equal(vm_state(vm), VM_RUNNING);
		if (k.rc == 0 && !fake_failed())
			break;
		fake_fail_at(0, 0);
		until(streams_test_count(en) == 0);
		if (k.rc == 0)
			assert_int_equal(rm("a", NULL), 0);
		assert_int_equal(files(".vm") + files(".snap"), 0);
	}
	fake_fail_at(0, 0);
	/* and copies: a domain or none */
	for (uint32_t nth = 1;; nth++) {
		struct result r;

		fake_fail_at(nth, EIO);
		r = copy_of("a", "copy", 0);
		if (r.rc == 0 && !fake_failed())
			break;
		fake_fail_at(0, 0);
		if (r.rc == 0)
			destroy(r.vm);
		else
			assert_null(engine_find(en, "copy"));
		settle(1);
	}
	fake_fail_at(0, 0);
	destroy(engine_find(en, "copy"));
	destroy(engine_find(en, "web"));
	settle(0);
	only_the_daemon_is_left();
}

/* The VM goes while it is written; the engine closes while copies wait for their turn. */
static void ends_meanwhile(void **state)
{
	enum { N = 2 * STREAMS_MOST };
	static struct restored k[N];
	struct vm *vm = living("web", DOM_PVH);
	struct engine_conf c = conf();
	struct kept kept = {0};

	(void)state;
	assert_int_equal(vm_snapshot(vm, "a", on_kept, &kept, NULL), 0);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	turn(&kept.called);
	assert_int_equal(kept.rc, -ESRCH);
	assert_int_equal(files(".vm") + files(".snap"), 0);
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	vm = living("web", DOM_PVH);
	assert_int_equal(keep(vm, "a").rc, 0);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(engine_create_from(en, "a", NULL, NULL, VM_CREATE_PAUSED,
						    on_restored, &k[i], &k[i].st, NULL),
				 0);
	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	for (uint32_t i = 0; i < N; i++)
		assert_true(k[i].r.called);
	assert_int_equal(k[N - 1].r.rc, -ECANCELED);
	while ((vm = vms_alive(en)) != NULL)
		destroy(vm);
	settle(0);
}

/* What waits for its turn and cannot begin then holds up none of those behind it. */
static void turns_that_fail(void **state)
{
	enum { N = 3 * STREAMS_MOST };
	struct vm *vm = living("web", DOM_PVH);
	struct restored k[N] = {0};
	struct kept kept = keep(vm, "a");
	char path[512];

	(void)state;
	assert_int_equal(kept.rc, 0);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(engine_create_from(en, "a", NULL, NULL, VM_CREATE_PAUSED,
						    on_restored, &k[i], &k[i].st, NULL),
				 0);
	(void)snprintf(path, sizeof(path), "%s/%s.vm", conf().image_dir, kept.digest);
	assert_int_equal(unlink(path), 0);
	for (uint32_t i = 0; i < N; i++) {
		until(k[i].r.called);
		assert_int_equal(k[i].r.rc, i < STREAMS_MOST ? 0 : -ENOENT);
	}
	while ((vm = vms_alive(en)) != NULL)
		destroy(vm);
	settle(0);
}

/* Its name cannot be made: its file goes, too. */
static void names_that_fail_leave_no_file(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	char path[512];
	struct kept k;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/x.snap", conf().image_dir);
	assert_int_equal(mkdir(path, 0700), 0);
	k = keep(vm, "x");
	assert_true(k.rc < 0);
	assert_int_equal(files(".vm"), 0);
	assert_int_equal(rmdir(path), 0);
	destroy(vm);
	settle(0);
}

static void on_packed(void *arg, int rc, const struct snapshot *x, uint64_t bytes,
		      const struct err *e)
{
	(void)bytes;
	answer(arg, rc, x, e);
}

static void on_removed(void *arg, int rc, const struct err *e)
{
	struct kept *k = arg;

	(void)e;
	k->called = true;
	k->rc = rc;
}

/* Two names of one content that are removed at once do not orphan a child. */
static void the_last_name_has_the_children(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct kept a = keep(vm, "a");
	struct kept c = keep(vm, "c");
	int file = memfd_create("packed", MFD_CLOEXEC);
	struct kept k = {0};
	struct kept b = {0};
	struct err e = {0};
	stream_id id;

	(void)state;
	assert_string_equal(c.parent, a.digest);
	assert_int_equal(snapshot_pack(en, "a", dup(file), on_packed, &k, &id, NULL), 0);
	until(k.called);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	k = (struct kept){0};
	assert_int_equal(snapshot_unpack(en, "b", file, on_packed, &k, &id, NULL), 0);
	until(k.called);
	assert_int_equal(k.rc, 0);
	assert_int_equal(snapshot_rm(engine_snapshots(en), "b", on_removed, &b, &e), 0);
	assert_true(snapshot_rm(engine_snapshots(en), "a", on_removed, &a, &e) < 0);
	assert_non_null(strstr(err_msg(&e), "c"));
	until(b.called);
	assert_int_equal(b.rc, 0);
	assert_int_equal(rm("c", NULL), 0);
	assert_int_equal(rm("a", NULL), 0);
	until(files(".vm") == 0);
	destroy(vm);
	settle(0);
}

/* A file of a snapshot, packed. */
static int packed(const char *name, size_t *bytes)
{
	int file = memfd_create("packed", MFD_CLOEXEC);
	struct kept k = {0};
	stream_id id;

	assert_int_equal(snapshot_pack(en, name, dup(file), on_packed, &k, &id, NULL), 0);
	until(k.called);
	*bytes = (size_t)lseek(file, 0, SEEK_END);
	return file;
}

/* All but the last byte of it has come. */
static void begin_unpack(const char *name, int file, size_t bytes, int *end, struct kept *k)
{
	int both[2];
	off_t at = 0;
	stream_id id;

	assert_int_equal(pipe2(both, O_CLOEXEC), 0);
	assert_true(fcntl(both[1], F_SETPIPE_SZ, (int)bytes + 4096) > 0);
	assert_int_equal(sendfile(both[1], file, &at, bytes - 1), bytes - 1);
	assert_int_equal(snapshot_unpack(en, name, both[0], on_packed, k, &id, NULL), 0);
	*end = both[1];
}

/* Of many that come at once only those that fit are taken. */
static void the_quota_is_taken_before_the_bytes(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct imagestore *s = engine_imagestore(en);
	struct kept k[2] = {0};
	struct kept a = keep(vm, "a");
	size_t bytes;
	int file = packed("a", &bytes);
	int end[2];

	(void)state;
	assert_int_equal(rm("a", NULL), 0);
	until(files(".vm") == 0);
	imagestore_set_quota(s, bytes + bytes / 2);
	begin_unpack("b", file, bytes, &end[0], &k[0]);
	until(imagestore_room(s) < bytes);
	begin_unpack("c", file, bytes, &end[1], &k[1]);
	until(k[1].called);
	assert_int_equal(k[1].rc, -ENOSPC);
	assert_non_null(strstr(k[1].err.msg, "store_quota"));
	assert_false(k[0].called);
	assert_int_equal(sendfile(end[0], file, &(off_t){(off_t)bytes - 1}, 1), 1);
	until(k[0].called); /* though its other end is open still: it has all that it wants */
	assert_int_equal(k[0].rc, 0);
	assert_string_equal(k[0].digest, a.digest);
	assert_int_equal(imagestore_room(s), bytes / 2);
	assert_int_equal(rm("b", NULL), 0);
	until(imagestore_room(s) == bytes + bytes / 2);
	imagestore_set_quota(s, 0);
	(void)close(end[0]);
	(void)close(end[1]);
	(void)close(file);
	destroy(vm);
	settle(0);
}

/* What is no snapshot is refused by its first bytes, however much follows. */
static void nonsense_is_not_copied(void **state)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct kept k = {0};
	stream_id id;

	(void)state;
	assert_int_equal(snapshot_unpack(en, "b", fd, on_packed, &k, &id, NULL), 0);
	until(k.called);
	assert_true(k.rc < 0);
	until(files(".vm") + files(".snap") == 0);
	settle(0);
}

/* The VM has gone before its file is open, and then the engine closes. */
static void engine_closes_as_one_begins(void **state)
{
	struct vm *vm = living("web", DOM_PVH);
	struct engine_conf c = conf();
	struct kept k = {0};

	(void)state;
	assert_int_equal(vm_snapshot(vm, "a", on_kept, &k, NULL), 0);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	engine_close(en);
	assert_true(k.called);
	assert_true(k.rc < 0);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	assert_int_equal(files(".vm") + files(".snap"), 0);
	settle(0);
}

static int next_daemon(struct err *e)
{
	struct engine_conf c = conf();

	engine_close(en);
	en = NULL;
	return engine_open(loop, &c, &en, e);
}

/* A folder that cannot be read to its end ends the start. It does not show that a snapshot has no
 * name. */
static void a_folder_that_cannot_be_read_costs_nothing(void **state)
{
	struct vm *vm = living("web", DOM_PVH);
	uint32_t refused = 0;
	bool failed = true;

	(void)state;
	for (char name[] = "a"; name[0] < 'e'; name[0]++)
		assert_int_equal(keep(vm, name).rc, 0);
	assert_int_equal(files(".vm"), 4);
	for (uint32_t nth = 1; failed; nth++) {
		struct err e = {0};
		int rc;

		readdir_fail_at(nth);
		rc = next_daemon(&e);
		failed = readdir_failed();
		readdir_fail_at(0);
		if (rc < 0) {
			refused++;
			assert_non_null(strstr(err_msg(&e), "read the folder"));
			assert_int_equal(next_daemon(NULL), 0);
		}
		if (files(".vm") != 4 || files(".snap") != 4)
			fail_msg("call %u: %u files, %u names", nth, files(".vm"), files(".snap"));
		for (const char *name = "abcd"; *name; name++)
			assert_non_null(
				snapshots_find(engine_snapshots(en), (char[]){*name, '\0'}, NULL));
	}
	assert_true(refused > 8);
	destroy(engine_find(en, "web"));
	settle(0);
}

/* fsync() of a folder, which libc does not have here. */
static bool no_sync;

int fsync(int fd)
{
	struct stat st;

	if (!no_sync || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return (int)syscall(SYS_fsync, fd);
	errno = EIO;
	return -1;
}

/* What was reported as failed is not there at the next start. */
static void a_name_that_is_not_synced_goes(void **state)
{
	struct vm *vm = living("web", DOM_PVH);

	(void)state;
	for (uint32_t others = 0; others < 2; others++) {
		no_sync = true;
		assert_int_equal(keep(vm, "a").rc, -EIO);
		no_sync = false;
		assert_int_equal(files(".vm"), others);
		assert_int_equal(files(".snap"), others);
		assert_int_equal(next_daemon(NULL), 0);
		vm = engine_find(en, "web");
		assert_null(snapshots_find(engine_snapshots(en), "a", NULL));
		if (others == 0) /* the second time the content has a name */
			assert_int_equal(keep(vm, "b").rc, 0);
	}
	destroy(vm);
	settle(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(failing_calls_leave_nothing),
		LIFE(ends_meanwhile),
		LIFE(turns_that_fail),
		LIFE(the_quota_is_taken_before_the_bytes),
		LIFE(nonsense_is_not_copied),
		LIFE(engine_closes_as_one_begins),
		LIFE(names_that_fail_leave_no_file),
		LIFE(the_last_name_has_the_children),
		LIFE(a_folder_that_cannot_be_read_costs_nothing),
		LIFE(a_name_that_is_not_synced_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
