/* SPDX-License-Identifier: BSD-3-Clause */
/* Archives that come in pieces: what oci/archive.c writes, and what something hostile does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guests/linux/agent/agent.h"
#include "oci/archive.h"
#include "tests/unit/readdir_help.h"

static char folder[] = "/tmp/chaos-unit-cpio-XXXXXX";
static char *bytes; /* the archive */
static size_t len;
static struct archive a;
static struct err e;

static void begin(void)
{
	a = (struct archive){.e = &e};
	a.f = open_memstream(&bytes, &len);
	assert_non_null(a.f);
}

static void end(void)
{
	assert_int_equal(archive_end(&a, 0), 0);
	assert_int_equal(fclose(a.f), 0);
}

/* Into a new folder of that name. */
static const char *unpack(const char *to, size_t most, size_t piece)
{
	struct unpack *u;

	assert_int_equal(mkdir(to, 0755), 0);
	u = unpack_begin(open(to, O_PATH | O_DIRECTORY));
	assert_non_null(u);
	for (size_t at = 0; at < most; at += piece)
		unpack_bytes(u, (const uint8_t *)bytes + at, most - at < piece ? most - at : piece);
	return unpack_end(u);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void is(const char *path, const char *text)
{
	char got[64] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	(void)!fread(got, 1, sizeof(got) - 1, f);
	(void)fclose(f);
	assert_string_equal(got, text);
}

static void node(const char *name, mode_t mode, const char *data)
{
	struct stat st = {.st_mode = mode, .st_nlink = 1, .st_uid = getuid(), .st_gid = getgid()};
	size_t n = data ? strlen(data) : 0;

	assert_int_equal(archive_head(&a, name, &st, ++a.inode, n), 0);
	if (n) {
		assert_int_equal(fwrite(data, 1, n, a.f), n);
		a.bytes += n;
		while (a.bytes % 4) {
			(void)fputc(0, a.f);
			a.bytes++;
		}
	}
}

static void test_tree(void **state)
{
	struct stat st, other;
	char to[64];

	(void)state;
	assert_int_equal(mkdir("t", 0755), 0);
	assert_int_equal(mkdir("t/deep", 0750), 0);
	put("t/one", "first");
	assert_int_equal(link("t/one", "t/deep/two"), 0);
	put("t/set", "");
	assert_int_equal(chmod("t/set", 04751), 0);
	assert_int_equal(symlink("../../etc", "t/deep/away"), 0);
	assert_int_equal(mkfifo("t/pipe", 0640), 0);
	begin();
	node("root", S_IFDIR | 0711, NULL);
	assert_int_equal(archive_tree(&a, open("t", O_RDONLY | O_DIRECTORY), "root", 0), 0);
	/* what comes later is there instead, and what had other names keeps its data */
	node("root/one", S_IFREG | 0600, "bound");
	end();
	for (size_t piece = 1; piece < 4096; piece = piece * 5 + 2) {
		(void)snprintf(to, sizeof(to), "to%zu", piece);
		assert_null(unpack(to, len, piece));
		assert_int_equal(chdir(to), 0);
		is("root/one", "bound");
		is("root/deep/two", "first");
		assert_int_equal(lstat("root", &st), 0);
		assert_int_equal(st.st_mode & 07777, 0711);
		assert_int_equal(lstat("root/set", &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 04751);
		assert_int_equal(lstat("../t/set", &other), 0);
		assert_int_equal(st.st_mtime, other.st_mtime);
		assert_int_equal(lstat("root/pipe", &st), 0);
		assert_int_equal(st.st_mode, S_IFIFO | 0640);
		assert_int_equal(readlink("root/deep/away", to, sizeof(to)), 9);
		assert_int_equal(chdir(".."), 0);
	}
	free(bytes);
}

/* A folder that cannot be read to its end is not packed in part. */
static void test_unread(void **state)
{
	bool failed = true;

	(void)state;
	for (uint32_t nth = 1; failed; nth++) {
		int rc;

		begin();
		readdir_fail_at(nth);
		rc = archive_tree(&a, open("t", O_RDONLY | O_DIRECTORY), "root", 0);
		failed = readdir_failed();
		readdir_fail_at(0);
		assert_int_equal(rc, failed ? -EIO : 0);
		assert_true(!failed || strstr(e.msg, "read the folder \"root"));
		assert_true(nth > 8 || failed);
		end();
		free(bytes);
	}
}

/* Cut anywhere, it is told; but for the padding behind the last entry's name. */
static void test_cut(void **state)
{
	char to[64];

	(void)state;
	begin();
	node("f", S_IFREG | 0600, "data");
	node("l", S_IFLNK | 0777, "f");
	end();
	for (size_t most = 0; most < len - 4; most += 13) {
		(void)snprintf(to, sizeof(to), "cut%zu", most);
		assert_non_null(unpack(to, most, 50));
	}
	free(bytes);
}

static void refused(const char *to, const char *name, mode_t mode, const char *data)
{
	begin();
	node("up", S_IFLNK | 0777, "..");
	node(name, mode, data);
	end();
	assert_non_null(unpack(to, len, 100));
	free(bytes);
}

static void test_hostile(void **state)
{
	(void)state;
	put("kept", "kept");
	refused("h1", "up/kept", S_IFREG | 0600, "hostile");
	refused("h2", "../kept", S_IFREG | 0600, "hostile");
	refused("h3", "up/h1/../kept", S_IFREG | 0600, "hostile");
	refused("h4", "/tmp", S_IFDIR | 0777, NULL);
	refused("h5", "x/..", S_IFDIR | 0777, NULL);
	refused("h6", "none/x", S_IFREG | 0600, "x");
	refused("h7", "l", S_IFLNK | 0777, NULL);
	refused("h8", "", S_IFREG | 0600, "x");
	is("kept", "kept");
	bytes = strdup("070701-0000001zzzzzzzz");
	len = 22;
	assert_non_null(unpack("h9", len, 3));
	free(bytes);
	len = 200;
	bytes = calloc(1, len);
	assert_non_null(bytes);
	assert_non_null(unpack("h10", len, 7));
	free(bytes);
}

static int set_up(void **state)
{
	(void)state;
	(void)umask(022);
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree), cmocka_unit_test(test_unread),
		cmocka_unit_test(test_cut), cmocka_unit_test(test_hostile)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
