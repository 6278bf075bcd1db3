/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams of files: there and back, cut at each byte, and from something hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guests/linux/tree/tree.h"

static char folder[] = "/tmp/chaos-unit-tree-XXXXXX";
static int work; /* a folder of the test's own */

static struct {
	uint8_t bytes[1 << 20];
	size_t len, at, end;
} s;
static unsigned int left;

/* --- help --- */

static ssize_t take(void *arg, void *to, size_t room)
{
	size_t n = s.end - s.at;

	(void)arg;
	n = n < room ? n : room;
	n = n > 7 ? 7 : n; /* in small pieces */
	memcpy(to, s.bytes + s.at, n);
	s.at += n;
	return (ssize_t)n;
}

static int give(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	assert_true(len <= sizeof(s.bytes) - s.len);
	memcpy(s.bytes + s.len, bytes, len);
	s.len += len;
	return 0;
}

static void left_out(const char *name, const char *why)
{
	assert_non_null(name);
	assert_non_null(why);
	left++;
}

static void begin(void)
{
	s.len = 0;
	(void)give(NULL, TREE_MAGIC, strlen(TREE_MAGIC));
}

static void put(enum tree_kind kind, const char *name, const char *data, uint64_t size)
{
	struct tree_entry e = {
		.kind = kind, .size = size, .mode = kind == TREE_FOLDER ? 0755 : 0644};
	uint8_t head[TREE_HEAD];

	(void)snprintf(e.name, sizeof(e.name), "%s", name);
	tree_head(&e, head);
	(void)give(NULL, head, sizeof(head));
	(void)give(NULL, name, strlen(name));
	(void)give(NULL, data, strlen(data));
}

static void put_file(const char *name, const char *data)
{
	put(TREE_FILE, name, data, strlen(data));
}

static const struct tree_rules careful = {.left_out = left_out};
static const struct tree_rules all = {.left_out = left_out, .set_ids = true, .links = true};

static int make(const char *name, const struct tree_rules *r, size_t end, struct tree_fault *f)
{
	struct tree_in in = {.read = take, .bytes_max = 1 << 30};
	struct tree_count c = {0};

	s.at = 0;
	s.end = end;
	left = 0;
	memset(f, 0, sizeof(*f));
	return tree_make(&in, work, name, r, &c, f);
}

static bool is_there(const char *path)
{
	struct stat st;

	return fstatat(work, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static const char *text_of(const char *path)
{
	static char text[64];
	int fd = openat(work, path, O_RDONLY | O_NOFOLLOW);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	if (fd >= 0)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* All below it, and how many names there were. */
static unsigned int clear(int dir)
{
	DIR *d = fdopendir(dup(dir));
	struct dirent *e;
	unsigned int n = 0;

	assert_non_null(d);
	rewinddir(d);
	while ((e = readdir(d))) {
		int fd;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n++;
		assert_null(strstr(e->d_name, ".chaos-cp"));
		fd = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (fd >= 0) {
			n += clear(fd);
			(void)close(fd);
			assert_return_code(unlinkat(dir, e->d_name, AT_REMOVEDIR), errno);
		} else {
			assert_return_code(unlinkat(dir, e->d_name, 0), errno);
		}
	}
	(void)closedir(d);
	return n;
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_return_code(chdir(folder), errno);
	assert_return_code(mkdir("work", 0755), errno);
	work = open("work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return work < 0;
}

static int teardown(void **state)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY);

	(void)state;
	(void)clear(fd);
	(void)close(fd);
	(void)close(work);
	(void)chdir("/");
	return rmdir(folder);
}

/* --- names --- */

static void test_names(void **state)
{
	static const char *const good[] = {"a", "a/b", "...", "a/..b", "a b", ".a", "a\n"};
	static const char *const bad[] = {"",	"/",	"/a",	"a/",	  "a//b", ".",
					  "..", "../a", "a/..", "a/../b", "./a",  "a/./b"};
	char deep[4 * TREE_DEPTH];
	char broad[300];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(tree_name_is_clean(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(tree_name_is_clean(bad[i]));
	memset(broad, 'a', sizeof(broad));
	broad[256] = '\0';
	assert_false(tree_name_is_clean(broad));
	broad[255] = '\0';
	assert_true(tree_name_is_clean(broad));
	for (size_t i = 0; i <= TREE_DEPTH; i++)
		(void)strcpy(deep + 2 * i, "a/");
	deep[2 * TREE_DEPTH + 1] = '\0';
	assert_false(tree_name_is_clean(deep));
	deep[2 * TREE_DEPTH - 1] = '\0';
	assert_true(tree_name_is_clean(deep));
}

static void test_links(void **state)
{
	static const struct {
		const char *name, *to;
		bool leaves;
	} cases[] = {
		{"a", "b", false},	  {"a", "/b", true},	      {"a", "..", true},
		{"a/b", "..", false},	  {"a/b", "../..", true},     {"a/b", "../c", false},
		{"a/b", "./../c", false}, {"a/b", "c/../../d", true}, {"a/b/c", "../../d", false},
		{"a", "b/../c", true},	  {"a", "./b/", false},	      {"", "b", true},
		{"a", "...", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(tree_link_leaves(cases[i].name, cases[i].to), cases[i].leaves);
}

static void test_heads(void **state)
{
	struct tree_entry e = {TREE_FILE, 0640, 1, 2, -3, 1ull << 40, "name"};
	struct tree_entry back;
	uint8_t head[TREE_HEAD];
	uint32_t len = 0;

	(void)state;
	tree_head(&e, head);
	assert_int_equal(tree_read_head(head, &back, &len), 0);
	assert_int_equal(len, 4);
	assert_true(back.kind == TREE_FILE && back.mode == 0640 && back.uid == 1 && back.gid == 2 &&
		    back.mtime == -3 && back.size == 1ull << 40);
	e.size++;
	tree_head(&e, head);
	assert_int_equal(tree_read_head(head, &back, &len), -EINVAL);
	e.size = 1;
	e.mode = 010000;
	tree_head(&e, head);
	assert_int_equal(tree_read_head(head, &back, &len), -EINVAL);
	e.mode = 0;
	e.kind = TREE_FOLDER;
	tree_head(&e, head);
	assert_int_equal(tree_read_head(head, &back, &len), -EINVAL);
	memset(head, 0, sizeof(head));
	assert_int_equal(tree_read_head(head, &back, &len), -EINVAL);
}

/* --- streams --- */

static void make_some(void)
{
	int fd;

	assert_return_code(mkdirat(work, "from", 0750), errno);
	assert_return_code(mkdirat(work, "from/sub", 0700), errno);
	fd = openat(work, "from/sub/file", O_WRONLY | O_CREAT, 0640);
	assert_return_code(fd, errno);
	assert_int_equal(write(fd, "text", 4), 4);
	(void)close(fd);
	assert_return_code(symlinkat("sub/file", work, "from/link"), errno);
	assert_return_code(mkfifoat(work, "from/pipe", 0600), errno);
}

static void test_there_and_back(void **state)
{
	struct tree_out out = {.write = give, .left_out = left_out};
	struct tree_count c = {0};
	struct tree_fault f = {0};
	struct stat st;

	(void)state;
	make_some();
	s.len = 0;
	left = 0;
	assert_int_equal(tree_send(&out, "work/from", &c, &f), 0);
	assert_int_equal(c.entries, 4);
	assert_int_equal(left, 1);
	assert_int_equal(make("to", &all, s.len, &f), 0);
	assert_string_equal(text_of("to/sub/file"), "text");
	assert_string_equal(text_of("to/pipe"), "");
	assert_return_code(fstatat(work, "to/sub/file", &st, 0), errno);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_return_code(fstatat(work, "to", &st, 0), errno);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_return_code(fstatat(work, "to/link", &st, AT_SYMLINK_NOFOLLOW), errno);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(make(NULL, &all, s.len, &f), 0); /* into the folder itself */
	assert_string_equal(text_of("sub/file"), "text");
	/* wherever it is cut, a file is there as a whole or not at all */
	(void)clear(work);
	for (size_t i = 0; i < s.len; i++) {
		assert_true(make("to", &all, i, &f) < 0);
		assert_true(f.code == EPIPE);
		assert_true(!is_there("to/sub/file") ||
			    strcmp(text_of("to/sub/file"), "text") == 0);
		(void)clear(work);
	}
}

static int made(const char *name, const struct tree_rules *r)
{
	struct tree_fault f;
	int rc = make(name, r, s.len, &f);

	assert_int_equal(rc < 0 ? -rc : 0, f.code);
	return rc;
}

static void test_hostile(void **state)
{
	static const char *const names[] = {"../evil", "/evil", "a/../../evil", "a//evil",
					    "./evil"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		begin();
		put(TREE_FOLDER, "", "", 0);
		put_file(names[i], "evil");
		put(TREE_END, "", "", 2);
		assert_int_equal(made("to", &all), -EPROTO);
		assert_int_equal(clear(work), 1);
	}
	/* through a link of the stream's own, and one that was there */
	begin();
	put(TREE_FOLDER, "", "", 0);
	put(TREE_LINK, "way", "..", 2);
	put_file("way/evil", "evil");
	put(TREE_END, "", "", 3);
	assert_true(made("to", &all) < 0);
	assert_false(is_there("evil"));
	assert_int_equal(clear(work), 2);
	assert_true(made("to", &careful) < 0); /* it is not there then */
	assert_int_equal(left, 1);
	assert_int_equal(clear(work), 1);
	assert_return_code(symlinkat("..", work, "to"), errno);
	begin();
	put(TREE_FOLDER, "", "", 0);
	put(TREE_END, "", "", 1);
	assert_true(made("to", &all) < 0);
	assert_int_equal(clear(work), 1);
	/* a file in place of a link does not go where that leads */
	assert_return_code(symlinkat("other", work, "to"), errno);
	begin();
	put_file("", "text");
	put(TREE_END, "", "", 1);
	assert_int_equal(made("to", &careful), 0);
	assert_string_equal(text_of("to"), "text");
	assert_int_equal(clear(work), 1);
	/* a top that is no folder has nothing in it; the first is the top; only as many as are said
	 */
	begin();
	put_file("", "text");
	put_file("a", "text");
	assert_int_equal(made("to", &all), -EPROTO);
	(void)clear(work);
	begin();
	put_file("a", "text");
	assert_int_equal(made("to", &all), -EPROTO);
	begin();
	put(TREE_END, "", "", 0);
	assert_int_equal(made("to", &all), -EPROTO);
	begin();
	put(TREE_FOLDER, "", "", 0);
	put(TREE_END, "", "", 2);
	assert_int_equal(made("to", &all), -EPROTO);
	(void)clear(work);
	begin();
	put_file("", "text");
	put(TREE_END, "", "", 1);
	assert_int_equal(made(NULL, &all), -ENOTDIR);
	s.bytes[0] = 'x';
	assert_int_equal(made("to", &all), -EPROTO);
	/* more than is wanted */
	begin();
	put(TREE_FILE, "", "", (1 << 30) + 1);
	assert_int_equal(made("to", &all), -EFBIG);
	assert_int_equal(clear(work), 0);
}

static void test_set_ids(void **state)
{
	struct stat st;

	(void)state;
	begin();
	put_file("", "text");
	put(TREE_END, "", "", 1);
	s.bytes[strlen(TREE_MAGIC) + 4] = 0xed; /* 06755 */
	s.bytes[strlen(TREE_MAGIC) + 5] = 0x0d;
	assert_int_equal(made("to", &careful), 0);
	assert_return_code(fstatat(work, "to", &st, 0), errno);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(made("to", &all), 0);
	assert_return_code(fstatat(work, "to", &st, 0), errno);
	assert_int_equal(st.st_mode & 07777, 06755);
	(void)clear(work);
}

static void test_place(void **state)
{
	struct tree_fault f;
	const char *name;
	char room[64];
	char path[64] = "work";
	int fd = tree_place(path, "base", &name, &f);

	(void)state;
	assert_return_code(fd, f.code);
	assert_string_equal(name, "base");
	(void)close(fd);
	(void)strcpy(path, "work/new/");
	fd = tree_place(path, "base", &name, &f);
	assert_return_code(fd, f.code);
	assert_string_equal(name, "new");
	(void)close(fd);
	(void)strcpy(path, "work/none/new");
	assert_int_equal(tree_place(path, "base", &name, &f), -ENOENT);
	(void)strcpy(path, "work/none/..");
	assert_int_equal(tree_place(path, "base", &name, &f), -ENOENT);
	assert_string_equal(tree_base("/a/b//", room, sizeof(room)), "b");
	assert_string_equal(tree_base("b", room, sizeof(room)), "b");
	assert_null(tree_base("/", room, sizeof(room)));
	assert_null(tree_base("a/..", room, sizeof(room)));
	assert_null(tree_base(".", room, sizeof(room)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	cmocka_unit_test(test_links),
		cmocka_unit_test(test_heads),	cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_set_ids),
		cmocka_unit_test(test_place)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
