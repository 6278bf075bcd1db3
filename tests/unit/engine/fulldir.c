/* SPDX-License-Identifier: BSD-3-Clause */
/* A run directory that is full, on a small tmpfs: refusals and no signals, and a daemon that starts
 * with what is there. Folders that others can write into, or that hold links, are refused. */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/log.h"
#include "tests/unit/readdir_help.h"

#define BYTES "5m"

static char run_dir[96], ballast[128];

static void reopen(void)
{
	struct engine_conf c = conf();
	struct err e = {0};

	engine_close(en);
	en = NULL;
	if (engine_open(loop, &c, &en, &e) < 0)
		fail_msg("%s", e.msg);
}

static int small(void **state)
{
	assert_int_equal(setup(state), 0);
	(void)snprintf(run_dir, sizeof(run_dir), "%s", conf().run_dir);
	(void)snprintf(ballast, sizeof(ballast), "%s/ballast", run_dir);
	engine_close(en);
	en = NULL;
	assert_int_equal(mount("none", run_dir, "tmpfs", 0, "mode=755,size=" BYTES), 0);
	return 0;
}

static int away(void **state)
{
	engine_close(en);
	en = NULL;
	(void)umount2(run_dir, MNT_DETACH);
	return teardown(state);
}

/* All that is left. */
static void fill(void)
{
	static const char page[4096];
	int fd = open(ballast, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, page, sizeof(page)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	(void)close(fd);
}

static struct result create_long(uint32_t i)
{
	struct vm_config c;
	char name[16];

	(void)snprintf(name, sizeof(name), "v%u", i);
	c = guest(name, DOM_PV, 256);
	c.cmdline = malloc(VM_CMDLINE_MAX);
	assert_non_null(c.cmdline);
	memset(c.cmdline, 'x', VM_CMDLINE_MAX - 1); /* more than a slot of late records has */
	c.cmdline[VM_CMDLINE_MAX - 1] = '\0';
	return create(c, 0);
}

static void a_full_run_directory_refuses_and_goes_on(void **state)
{
	struct fake_count n;
	struct result r;
	uint32_t made;

	(void)state;
	reopen();
	assert_int_equal(create(guest("first", DOM_PV, 256), 0).rc, 0);
	fill();
	for (made = 0; made < 60; made++) {
		r = create_long(made);
		if (r.rc < 0)
			break;
		/* into the history, whose records stay: so that it gets full */
		if (made % 2)
			assert_int_equal(vm_destroy(r.vm, NULL), 0);
		(void)ev_run(loop, EVRUN_NOWAIT);
	}
	fake_count(&n);
	assert_int_equal(unlink(ballast), 0);
	reopen();
	assert_non_null(engine_find(en, "first"));
	assert_int_equal(vm_state(engine_find(en, "first")), VM_RUNNING);
	for (uint32_t i = 0; i < made; i += 2) {
		char name[16];

		(void)snprintf(name, sizeof(name), "v%u", i);
		assert_non_null(engine_find(en, name));
		assert_int_equal(vm_state(engine_find(en, name)), VM_RUNNING);
		assert_int_equal(vm_destroy(engine_find(en, name), NULL), 0);
	}
	settle(1);
	assert_int_equal(create(guest("after", DOM_PV, 256), 0).rc, 0);
	reopen();
	assert_non_null(engine_find(en, "first"));
	assert_non_null(engine_find(en, "after"));
}

/* Every page of room, from none at all on: the first start is refused or works, and never ends by a
 * signal. */
static void a_first_start_on_a_full_folder_is_refused_or_works(void **state)
{
	struct engine_conf c = conf();
	uint32_t refused = 0;
	uint32_t worked = 0;

	(void)state;
	for (uint32_t pages = 0; worked < 3; pages += pages < 40 ? 1 : 16) {
		struct err e = {0};
		struct stat st;
		int rc;

		fill();
		assert_int_equal(stat(ballast, &st), 0);
		assert_int_equal(truncate(ballast, st.st_size - pages * 4096), 0);
		rc = engine_open(loop, &c, &en, &e);
		if (rc < 0) {
			assert_int_equal(rc, -ENOSPC);
			assert_non_null(strstr(e.msg, "No space left"));
			refused++;
		} else {
			struct result r = create(guest("web", DOM_PV, 256), 0);

			assert_true(r.rc == 0 || r.rc == -ENOSPC);
			worked++;
			if (r.rc == 0)
				assert_int_equal(vm_destroy(r.vm, NULL), 0);
			settle(0);
		}
		engine_close(en);
		en = NULL;
		fake_reset();
		assert_int_equal(umount2(run_dir, MNT_DETACH), 0);
		assert_int_equal(mount("none", run_dir, "tmpfs", 0, "mode=755,size=" BYTES), 0);
	}
	assert_true(refused > 0);
}

/* --- whose folders --- */

static int refused(const char *path)
{
	struct err e = {0};
	int dir = dir_prepare(path, false, &e);
	int rc = dir < 0 ? dir : dir_refuse_links(dir, path, &e);

	if (dir >= 0)
		(void)close(dir);
	assert_true(rc == 0 || strstr(e.msg, path));
	return rc;
}

static void folders_of_others_are_refused(void **state)
{
	char top[] = "/tmp/chaos-dirs-XXXXXX";
	char path[128];
	char link[128];

	(void)state;
	assert_non_null(mkdtemp(top));
	(void)snprintf(path, sizeof(path), "%s/a/b", top);
	assert_int_equal(refused(path), 0); /* both made */
	assert_int_equal(chmod(path, 0770), 0);
	assert_int_equal(refused(path), -EPERM);
	assert_int_equal(chmod(path, 0707), 0);
	assert_int_equal(refused(path), -EPERM);
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(refused(path), -EPERM);
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(refused(path), 0);
	/* one above it */
	(void)snprintf(link, sizeof(link), "%s/a", top);
	assert_int_equal(chmod(link, 0777), 0);
	assert_int_equal(dir_prepare(path, false, NULL), -EPERM);
	assert_int_equal(chmod(link, 01777), 0);
	assert_int_equal(refused(path), 0);
	/* a link in it, and a way that is a link of ours */
	(void)snprintf(link, sizeof(link), "%s/a/b/data.mdb", top);
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(refused(path), -EPERM);
	assert_int_equal(unlink(link), 0);
	(void)snprintf(link, sizeof(link), "%s/c", top);
	assert_int_equal(symlink("a/b", link), 0);
	assert_int_equal(refused(link), 0);
	assert_int_equal(unlink(link), 0);
	/* one that cannot be read to its end may have such a link */
	for (uint32_t nth = 1; nth <= 3; nth++) {
		readdir_fail_at(nth);
		assert_int_equal(refused(path), -EIO);
		readdir_fail_at(0);
	}
	/* no folder at all */
	assert_int_equal(close(open(link, O_WRONLY | O_CREAT, 0600)), 0);
	assert_true(refused(link) < 0);
	(void)unlink(link);
	(void)rmdir(path);
	(void)snprintf(path, sizeof(path), "%s/a", top);
	(void)rmdir(path);
	(void)rmdir(top);
}

/* As a whole: what would be opened through a link is not touched. */
static void a_link_in_the_registry_is_not_followed(void **state)
{
	struct engine_conf c = conf();
	struct err e = {0};
	char path[128];
	char target[128];

	(void)state;
	reopen();
	engine_close(en);
	en = NULL;
	(void)snprintf(path, sizeof(path), "%s/registry/data.mdb", run_dir);
	(void)snprintf(target, sizeof(target), "%s/elsewhere", run_dir);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(engine_open(loop, &c, &en, &e), -EPERM);
	assert_non_null(strstr(e.msg, "data.mdb"));
	assert_int_equal(unlink(path), 0);
	reopen();
}

#define SMALL(f) cmocka_unit_test_setup_teardown(f, small, away)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SMALL(a_full_run_directory_refuses_and_goes_on),
		SMALL(a_first_start_on_a_full_folder_is_refused_or_works),
		SMALL(a_link_in_the_registry_is_not_followed),
		cmocka_unit_test(folders_of_others_are_refused),
	};

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		perror("this test mounts: run it as root");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
