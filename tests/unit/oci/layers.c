/* SPDX-License-Identifier: BSD-3-Clause */
/* What is read of a mount of overlayfs, and what tells that a folder was changed. */
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
#include <sys/stat.h>
#include <unistd.h>

#include "oci/layers.h"
#include "oci/tree_size.h"
#include "tests/unit/readdir_help.h"

static char folder[] = "/tmp/chaos-unit-layers-XXXXXX";

static void write_bytes(const char *path, size_t n)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(fputc('x', f), 'x');
	assert_int_equal(fclose(f), 0);
}

/* --- mountinfo --- */

static void options_are(const char *mountinfo, const char *path, const char *want)
{
	char *got = layers_options(mountinfo, path);

	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
	free(got);
}

static void test_mountinfo(void **state)
{
	static const char two[] =
		"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
		"74 47 0:41 / /b/rootfs rw,relatime shared:3 master:1 - overlay overlay "
		"rw,lowerdir=/l/B:/l/A,upperdir=/u,workdir=/w\n"
		"75 47 0:42 / /b\\040c/rootfs rw - overlay overlay rw,lowerdir=/x:/y\n";

	(void)state;
	options_are(two, "/b/rootfs", "rw,lowerdir=/l/B:/l/A,upperdir=/u,workdir=/w");
	options_are(two, "/b c/rootfs", "rw,lowerdir=/x:/y");
	options_are(two, "/proc", NULL);
	options_are(two, "/b/rootfs/etc", NULL);
	options_are("", "/b/rootfs", NULL);
	/* a folder of an overlay that is bound there; what is mounted later covers it */
	options_are("1 2 0:41 /etc /b rw - overlay overlay rw,lowerdir=/x:/y\n", "/b", NULL);
	options_are("1 2 0:41 / /b rw - overlay overlay rw,lowerdir=/x:/y\n"
		    "3 1 0:42 / /b rw - tmpfs tmpfs rw\n",
		    "/b", NULL);
	options_are("1 2 0:41 / /b rw - tmpfs tmpfs rw\n"
		    "3 1 0:42 / /b rw - overlay overlay rw,lowerdir=/x:/z\n",
		    "/b", "rw,lowerdir=/x:/z");
	/* lines that are none */
	options_are("1 2 0:41\n1 2 0:41 / /b rw - overlay\n1 2 0:41 / /b rw\n- overlay\n\n", "/b",
		    NULL);
}

static void value_is(const char *options, const char *name, const char *want)
{
	char *got = layers_option(options, name);

	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
	free(got);
}

static void test_options(void **state)
{
	static const char text[] = "rw,lowerdir=/a\\040b:/c,metacopy=on,userxattr,x=";

	(void)state;
	value_is(text, "lowerdir", "/a b:/c");
	value_is(text, "metacopy", "on");
	value_is(text, "userxattr", "");
	value_is(text, "x", "");
	value_is(text, "lower", NULL);
	value_is(text, "upperdir", NULL);
	value_is("", "rw", NULL);
}

/* --- folders --- */

static void key_of(const char *path, char *key)
{
	struct layers l;
	struct err e = {0};

	assert_return_code(layers_find(&l, path, LAYERS_LEAST, &e), 0);
	assert_null(l.below);
	assert_int_equal(l.n, 0);
	(void)strcpy(key, l.key);
	layers_free(&l);
}

static void test_keys(void **state)
{
	char path[64];
	char a[112], b[112], c[112];
	struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/root", folder);
	assert_return_code(mkdir("root", 0755), errno);
	assert_return_code(mkdir("root/sub", 0755), errno);
	write_bytes("root/sub/file", 10);
	key_of(path, a);
	key_of(path, b);
	assert_string_equal(a, b);
	assert_null(strchr(a, '/'));
	/* of the same size, and with the times of before: its change is seen all the same */
	assert_return_code(utimensat(AT_FDCWD, "root/sub/file", old, 0), errno);
	key_of(path, b);
	assert_string_not_equal(a, b);
	assert_return_code(rename("root/sub/file", "root/sub/name"), errno);
	key_of(path, c);
	assert_string_not_equal(c, b);
	assert_return_code(chmod("root/sub/name", 0600), errno);
	key_of(path, b);
	assert_string_not_equal(c, b);
}

static void test_sizes(void **state)
{
	struct layers l;
	struct err e = {0};
	uint64_t bytes = 0;
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/sized", folder);
	assert_return_code(mkdir("sized", 0755), errno);
	write_bytes("sized/a", 5000);
	assert_int_equal(layers_find(&l, path, LAYERS_LEAST, &e), 0); /* small */
	layers_free(&l);
	/* a hole counts: an image has none */
	assert_return_code(truncate("sized/a", 100 << 20), errno);
	assert_return_code(link("sized/a", "sized/b"), errno);
	assert_int_equal(layers_find(&l, path, LAYERS_LEAST, &e), 1);
	assert_int_equal(layers_size(&l, path, &bytes, &e), 0);
	assert_true(bytes > 100u << 20 && bytes < 101u << 20);
	layers_free(&l);
	assert_int_equal(layers_find(&l, "/nowhere", LAYERS_LEAST, &e), -ENOENT);
	layers_free(&l);
}

static int size_of(const char *path, struct tree_size *t)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = tree_size(t, fd, NULL);

	(void)close(fd);
	return rc;
}

/* A size that lacks what could not be read is not one. */
static void test_unread(void **state)
{
	struct tree_size t = {.bytes_max = 1 << 20, .entries_max = 9};
	bool failed = true;

	(void)state;
	assert_return_code(mkdir("unread", 0755), errno);
	assert_return_code(mkdir("unread/sub", 0755), errno);
	write_bytes("unread/sub/a", 1);
	for (uint32_t nth = 1; failed; nth++) {
		int rc;

		readdir_fail_at(nth);
		rc = size_of("unread", &t);
		failed = readdir_failed();
		assert_int_equal(rc, failed ? -EIO : 0);
		readdir_fail_at(0);
		assert_true(nth > 7 || failed);
	}
}

static void test_limits(void **state)
{
	struct tree_size t = {.bytes_max = 1 << 20, .entries_max = 3, .plain = true};
	char at[4096];

	(void)state;
	assert_return_code(mkdir("limits", 0755), errno);
	write_bytes("limits/a", 1);
	assert_return_code(symlink("/", "limits/b"), errno);
	assert_return_code(mkfifo("limits/c", 0600), errno);
	assert_int_equal(size_of("limits", &t), 0);
	assert_int_equal(t.entries, 3);
	write_bytes("limits/d", 1);
	assert_int_equal(size_of("limits", &t), -EFBIG);
	t.entries_max = 4;
	t.bytes_max = 9000;
	assert_int_equal(size_of("limits", &t), -EFBIG);
	/* as deep as nothing needs to be */
	(void)strcpy(at, "limits");
	for (int i = 0; i < 600; i++) {
		(void)strcat(at, "/x");
		assert_return_code(mkdir(at, 0755), errno);
	}
	t = (struct tree_size){.bytes_max = UINT64_MAX, .entries_max = UINT64_MAX};
	assert_int_equal(size_of("limits", &t), -EINVAL);
}

/* --- */

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
	return !mkdtemp(folder) || chdir(folder) < 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)chdir("/");
	return nftw(folder, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mountinfo), cmocka_unit_test(test_options),
		cmocka_unit_test(test_keys),	  cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_limits),	  cmocka_unit_test(test_unread)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
