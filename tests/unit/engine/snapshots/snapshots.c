/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots by name: what the folder has is what there is, whatever was left in it; names, parents,
 * holds and the quota. */
#include "tests/unit/engine/snapshots/snap_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "split-toolstack/engine/images/imagestore.h"
#include "split-toolstack/engine/life/pack.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

#include <xen/sched.h> /* behind xenctrl.h */

static void path_of(const char *name, const char *end, char *to, size_t room)
{
	(void)snprintf(to, room, "%s/%s%s", conf().image_dir, name, end);
}

static void put_file(const char *name, const char *end, const char *text)
{
	char path[512];
	int fd;

	path_of(name, end, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static bool is_there(const char *name, const char *end)
{
	char path[512];

	path_of(name, end, path, sizeof(path));
	return access(path, F_OK) == 0;
}

static void open_again(void)
{
	struct engine_conf c = conf();

	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
}

static const struct snapshot *find(const char *name)
{
	return snapshots_find(engine_snapshots(en), name, NULL);
}

static void a_tree_that_the_next_daemon_knows(void **state)
{
	struct vm *vm = living("web", DOM_PVH);
	struct kept first = keep(vm, NULL);
	struct kept second = keep(vm, "second");
	struct kept third;
	struct stat st;
	char path[512];
	struct result r;

	(void)state;
	assert_int_equal(first.rc, 0);
	assert_string_equal(first.name, "web-1");
	assert_string_equal(first.parent, "");
	assert_string_equal(second.parent, first.digest);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	path_of(first.digest, ".vm", path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, (off_t)find("web-1")->bytes);
	r = copy_of("web-1", "copy", 0);
	assert_int_equal(r.rc, 0);
	assert_string_equal(vm_cfg(r.vm)->snapshot, first.digest);
	assert_memory_not_equal(vm_uuid_bytes(r.vm), vm_uuid_bytes(vm), 16);
	open_again();
	assert_string_equal(find("second")->parent, first.digest);
	assert_string_equal(find("second")->vm, "web");
	third = keep(engine_find(en, "copy"), "third");
	assert_string_equal(third.parent, first.digest);
	destroy(engine_find(en, "copy"));
	destroy(engine_find(en, "web"));
	settle(0);
}

/* A copy that reboots is built of its kernel: nothing of the snapshot is in it any more. */
static void one_that_boots_anew_has_no_parent(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct vm *copy;

	(void)state;
	assert_int_equal(keep(vm, "a").rc, 0);
	copy = copy_of("a", "copy", 0).vm;
	assert_non_null(copy);
	assert_non_null(vm_cfg(copy)->snapshot);
	fake_end(vm_domid(copy), SHUTDOWN_reboot);
	until(vm_state(copy) == VM_BUILDING);
	assert_null(vm_cfg(copy)->snapshot);
	until(vm_state(copy) == VM_RUNNING);
	destroy(copy);
	destroy(vm);
	settle(0);
}

static void names_follow_rules(void **state)
{
	static const char *const bad[] = {"", ".x", "-x", "a/b", "a b", "../x"};
	struct vm *vm = living("web", DOM_PV);
	char longest[IMAGE_NAME_MAX + 2];
	struct kept k;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(keep(vm, bad[i]).rc, -EINVAL);
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(keep(vm, longest).rc, -EINVAL);
	longest[IMAGE_NAME_MAX] = '\0';
	assert_int_equal(keep(vm, longest).rc, 0);
	k = keep(vm, longest);
	assert_int_equal(k.rc, -EEXIST);
	assert_int_equal(files(".vm"), 1);
	assert_int_equal(files(".snap"), 1);
	destroy(vm);
	settle(0);
}

static void what_is_used_stays(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct snapshot_hold h = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(keep(vm, "a").rc, 0);
	assert_int_equal(keep(vm, "b").rc, 0);
	assert_int_equal(rm("a", &e), -EBUSY);
	assert_non_null(strstr(e.msg, "parent of b"));
	snapshot_hold(find("b"), &h, "pool flavor \"x\"");
	assert_int_equal(rm("b", &e), -EBUSY);
	assert_non_null(strstr(e.msg, "pool flavor \"x\""));
	snapshot_release(&h);
	assert_int_equal(rm("b", &e), 0);
	assert_int_equal(rm("b", &e), -ENOENT);
	assert_int_equal(rm("a", &e), 0);
	assert_int_equal(files(".vm") + files(".snap"), 0);
	destroy(vm);
	settle(0);
}

static void a_start_puts_the_folder_in_order(void **state)
{
	static const char digest[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct vm *vm = living("web", DOM_PV);
	struct kept kept = keep(vm, "kept");
	struct kept lost = keep(vm, "lost");
	char path[512];

	(void)state;
	put_file("new-123", "", "unfinished");
	put_file(digest, ".vm", "of nobody");
	put_file("somebody", ".txt", "somebody's");
	path_of(lost.digest, ".vm", path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	open_again();
	assert_false(is_there("new-123", ""));
	assert_false(is_there(digest, ".vm"));
	assert_true(is_there("somebody", ".txt"));
	assert_null(find("lost"));
	assert_non_null(find("kept"));
	/* a damaged name: nothing goes, since it is not known what it names */
	put_file("kept", ".snap", "damaged");
	open_again();
	assert_null(find("kept"));
	assert_true(is_there(kept.digest, ".vm"));
	/* ... and the name is not given to another */
	lost = keep(engine_find(en, "web"), "kept");
	assert_int_equal(lost.rc, -EEXIST);
	assert_non_null(strstr(lost.err.msg, "kept.snap that could not be read"));
	assert_int_equal(files(".vm"), 1);
	lost = keep(engine_find(en, "web"), "other");
	assert_int_equal(rm("other", NULL), 0);
	assert_true(is_there(lost.digest, ".vm"));
	destroy(engine_find(en, "web"));
	settle(0);
}

static void on_packed(void *arg, int rc, const struct snapshot *x, uint64_t bytes,
		      const struct err *e)
{
	(void)bytes;
	answer(arg, rc, x, e);
}

static struct kept unpack(const char *name, int fd)
{
	struct kept k = {0};
	stream_id id;
	int rc = snapshot_unpack(en, name, fd, on_packed, &k, &id, &k.err);

	if (rc == 0)
		turn(&k.called);
	k.rc = rc < 0 ? rc : k.rc;
	return k;
}

static void packed_and_unpacked(void **state)
{
	struct vm *vm = living("web", DOM_PVH);
	struct kept a = keep(vm, "a");
	int file = memfd_create("packed", MFD_CLOEXEC);
	struct kept k = {0};
	stream_id id;
	char byte;

	(void)state;
	assert_int_equal(snapshot_pack(en, "a", dup(file), on_packed, &k, &id, NULL), 0);
	turn(&k.called);
	assert_int_equal(k.rc, 0);
	assert_int_equal(lseek(file, 0, SEEK_END), (off_t)find("a")->bytes);
	assert_int_equal(write(file, "behind it", 9), 9);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	k = unpack("b", dup(file));
	assert_int_equal(k.rc, 0);
	assert_string_equal(k.digest, a.digest);
	assert_true(find("b")->foreign);
	assert_int_equal(files(".vm"), 1);
	assert_int_equal(rm("a", NULL), 0);
	assert_int_equal(files(".vm"), 1);
	assert_int_equal(copy_of("b", "copy", 0).rc, 0);
	destroy(engine_find(en, "copy"));
	/* damaged, cut, nothing */
	assert_int_equal(pread(file, &byte, 1, 300), 1);
	byte = (char)~byte;
	assert_int_equal(pwrite(file, &byte, 1, 300), 1);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(unpack("c", dup(file)).rc, -EPROTO);
	assert_int_equal(unpack("c", memfd_create("empty", MFD_CLOEXEC)).rc, -EPROTO);
	assert_int_equal(rm("b", NULL), 0);
	assert_int_equal(files(".vm") + files(".snap"), 0);
	(void)close(file);
	destroy(vm);
	settle(0);
}

static void a_quota_that_is_full(void **state)
{
	struct vm *vm = living("web", DOM_PV);
	struct imagestore *s = engine_imagestore(en);
	struct kept k = keep(vm, "a");
	uint64_t bytes = find("a")->bytes;

	(void)state;
	imagestore_set_quota(s, bytes + 1);
	assert_int_equal(imagestore_room(s), 1);
	k = keep(vm, "b");
	assert_int_equal(k.rc, -ENOSPC);
	assert_non_null(strstr(k.err.msg, "store_quota"));
	imagestore_set_quota(s, bytes);
	assert_int_equal(keep(vm, "b").rc, -ENOSPC);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	assert_int_equal(files(".vm"), 1);
	assert_int_equal(rm("a", NULL), 0);
	assert_int_equal(imagestore_room(s), bytes);
	imagestore_set_quota(s, bytes + 4096); /* it says what its parent is, too */
	assert_int_equal(keep(vm, "b").rc, 0);
	imagestore_set_quota(s, 0);
	destroy(vm);
	settle(0);
}

/* More copies than may be under way at a time: they wait, and the snapshot stays meanwhile. */
static void many_copies_wait(void **state)
{
	enum { N = 3 * STREAMS_MOST };
	struct vm *vm = living("web", DOM_PVH);
	struct restored k[N] = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(keep(vm, "a").rc, 0);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(engine_create_from(en, "a", NULL, NULL, VM_CREATE_PAUSED,
						    on_restored, &k[i], &k[i].st, &e),
				 0);
	assert_int_equal(rm("a", &e), -EBUSY);
	for (uint32_t i = 0; i < N; i++) {
		turn(&k[i].r.called);
		assert_int_equal(k[i].r.rc, 0);
		destroy(k[i].r.vm);
	}
	assert_int_equal(rm("a", &e), 0);
	destroy(vm);
	settle(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(a_tree_that_the_next_daemon_knows),
		LIFE(one_that_boots_anew_has_no_parent),
		LIFE(names_follow_rules),
		LIFE(what_is_used_stays),
		LIFE(a_start_puts_the_folder_in_order),
		LIFE(packed_and_unpacked),
		LIFE(a_quota_that_is_full),
		LIFE(many_copies_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
