/* SPDX-License-Identifier: BSD-3-Clause */
/* The cache of images: hits, room, users, what was killed. The program that makes one is played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/image.h"
#include "tests/unit/readdir_help.h"

#define MIB (1u << 20)

static char top[] = "/tmp/chaos-unit-image-XXXXXX";
static char folder[64];
static struct image_cache cache = {.folder = folder, .mib = 10};
static int made, fails;

int __wrap_image_make(const struct layers *l, const char *rootfs, const char *path, int keep,
		      uint64_t bytes, struct err *e);

int __wrap_image_make(const struct layers *l, const char *rootfs, const char *path, int keep,
		      uint64_t bytes, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	static char data[3 * MIB];
	struct stat a, b;

	(void)l;
	(void)rootfs;
	assert_int_equal(bytes, cache.mib << 20);
	assert_true(fd >= 0 && fstat(fd, &a) == 0 && fstat(keep, &b) == 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_size, 0);
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	(void)close(fd);
	made++;
	return fails ? err_set(e, EIO, "it failed") : 0;
}

static int get(const char *key, struct image *out, struct err *e)
{
	struct layers l = {.n = 0};

	(void)snprintf(l.key, sizeof(l.key), "%s", key);
	return image_get(&cache, &l, "root", out, e);
}

static void use(const char *key)
{
	struct image i;
	struct err e = {0};

	assert_int_equal(get(key, &i, &e), 0);
	assert_true(i.fd >= 0 && access(i.path, F_OK) == 0);
	image_free(&i);
	assert_int_equal(i.fd, -1);
}

static int has(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void put(const char *name)
{
	char path[128];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
}

static void remove_image(const char *key)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s.erofs", folder, key);
	assert_int_equal(unlink(path), 0);
}

/* --- tests --- */

static void test_once(void **state)
{
	(void)state;
	made = 0;
	use("a");
	put("killed.new");
	use("a");
	assert_int_equal(made, 1);
	assert_false(has("killed.new"));
	assert_true(has("a.erofs") && !has("a.new"));
}

/* Without the size of all images that it has, no image is added to the cache. */
static void test_unread(void **state)
{
	int refused = 0;
	bool failed = true;

	(void)state;
	for (uint32_t nth = 1; failed; nth++) {
		struct image i;
		struct err e = {0};
		int rc;

		made = 0;
		readdir_fail_at(nth);
		rc = get("unread", &i, &e);
		failed = readdir_failed();
		readdir_fail_at(0);
		image_free(&i);
		assert_int_equal(made, rc == 0);
		assert_int_equal(has("unread.erofs"), rc == 0);
		refused += rc == -EIO && strstr(e.msg, "read the cache");
		if (rc == 0)
			remove_image("unread");
	}
	assert_true(refused >= 3);
}

/* The root has 3 MiB, and so have its images: three of them are in the cache's 10. */
static void test_room(void **state)
{
	struct image a, b, c, d;
	struct err e = {0};

	(void)state;
	assert_int_equal(get("a", &a, &e), 0);
	use("b");
	use("c");
	use("b");
	use("d");
	assert_true(has("a.erofs") && has("b.erofs") && !has("c.erofs") && has("d.erofs"));
	assert_int_equal(get("b", &b, &e), 0);
	assert_int_equal(get("d", &d, &e), 0);
	/* all of them are in use: nothing is removed or made */
	made = 0;
	assert_int_equal(get("c", &c, &e), -ENOSPC);
	assert_non_null(strstr(err_msg(&e), "in use"));
	assert_int_equal(c.fd, -1);
	assert_true(made == 0 && has("a.erofs") && !has("c.new"));
	image_free(&a);
	assert_int_equal(get("c", &c, &e), 0);
	assert_true(!has("a.erofs") && has("b.erofs") && has("d.erofs"));
	image_free(&b);
	image_free(&c);
	image_free(&d);
	cache.mib = 2;
	assert_int_equal(get("e", &a, &e), -EFBIG);
	cache.mib = 10;
}

static void test_left_over(void **state)
{
	struct err e = {0};
	struct image i;
	char path[128];
	int fd;

	(void)state;
	put("killed.new");
	put("works.new");
	(void)snprintf(path, sizeof(path), "%s/works.new", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_return_code(flock(fd, LOCK_EX), errno);
	fails = 1;
	assert_int_equal(get("f", &i, &e), -EIO);
	assert_string_equal(err_msg(&e), "it failed");
	assert_true(!has("f.new") && !has("f.erofs") && !has("killed.new") && has("works.new"));
	fails = 0;
	(void)close(fd);
	/* what was killed while it made this very image */
	put("f.new");
	use("f");
	assert_true(!has("f.new") && !has("works.new"));
}

static void test_at_once(void **state)
{
	struct err e = {0};
	int ok = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			struct image out;

			made = 0;
			_exit(get("together", &out, &e) == 0 ? made : 9);
		}
	for (int i = 0; i < 4; i++) {
		int status = 0;

		assert_true(wait(&status) > 0 && WIFEXITED(status));
		assert_in_range(WEXITSTATUS(status), 0, 1);
		ok += WEXITSTATUS(status);
	}
	assert_int_equal(ok, 1);
	assert_true(has("together.erofs") && !has("together.new"));
}

static void test_folder(void **state)
{
	struct err e = {0};
	struct image i;

	(void)state;
	assert_return_code(chmod(folder, 0770), errno);
	assert_int_equal(get("a", &i, &e), -EPERM);
	assert_return_code(chmod(folder, 0700), errno);
	cache.folder = "root/file";
	assert_int_equal(get("a", &i, &e), -ENOTDIR);
	cache.folder = folder;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *w)
{
	(void)st;
	(void)kind;
	(void)w;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	(void)umask(022);
	if (!mkdtemp(top) || chdir(top) < 0 || mkdir("root", 0755) < 0)
		return -1;
	(void)snprintf(folder, sizeof(folder), "%s/var/cache", top);
	return open("root/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644) < 0 ||
	       truncate("root/file", 3 * MIB - 200000) < 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)chdir("/");
	return nftw(top, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),	cmocka_unit_test(test_unread),
		cmocka_unit_test(test_room),	cmocka_unit_test(test_left_over),
		cmocka_unit_test(test_at_once), cmocka_unit_test(test_folder)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
