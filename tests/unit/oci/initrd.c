/* SPDX-License-Identifier: BSD-3-Clause */
/* The archive of a container's root, as Linux reads it. */
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
#include <sys/xattr.h>
#include <unistd.h>

#include "oci/initrd.h"

#define ENTRIES 64u

static char folder[] = "/tmp/chaos-unit-initrd-XXXXXX";
static struct {
	char name[256], data[256];
	uint32_t inode, mode, uid, nlink, size;
} entry[ENTRIES];
static uint32_t entries;

/* --- help --- */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void describe(const char *mounts)
{
	char text[2048];

	(void)snprintf(text, sizeof(text),
		       "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},"
		       "\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"},\"mounts\":[%s]}",
		       mounts);
	write_file("config.json", text);
}

/* Of eight hexadecimal digits. */
static uint32_t number(const char *at)
{
	char text[9];

	memcpy(text, at, 8);
	text[8] = '\0';
	return (uint32_t)strtoul(text, NULL, 16);
}

static void parse(int fd, uint64_t bytes)
{
	static char archive[1 << 20];
	ssize_t n = pread(fd, archive, sizeof(archive), 0);
	size_t at = 0;

	assert_true(n > 0 && (uint64_t)n >= bytes && n < (ssize_t)sizeof(archive));
	for (entries = 0; entries < ENTRIES; entries++) {
		const char *head = archive + at;
		uint32_t name_len, size;

		assert_true(at + 110 < (size_t)n);
		assert_memory_equal(head, "070701", 6);
		size = number(head + 54);
		name_len = number(head + 94);
		assert_true(name_len > 1 && name_len < sizeof(entry[0].name));
		assert_int_equal(strlen(head + 110), name_len - 1);
		entry[entries].inode = number(head + 6);
		entry[entries].mode = number(head + 14);
		entry[entries].uid = number(head + 22);
		entry[entries].nlink = number(head + 38);
		entry[entries].size = size;
		(void)strcpy(entry[entries].name, head + 110);
		at = (at + 110 + name_len + 3) & ~(size_t)3;
		assert_true(size < sizeof(entry[0].data) && at + size <= (size_t)n);
		memcpy(entry[entries].data, archive + at, size);
		entry[entries].data[size] = '\0';
		at = (at + size + 3) & ~(size_t)3;
		if (strcmp(entry[entries].name, "TRAILER!!!") == 0)
			return;
	}
	fail_msg("%s", "there is no trailer");
}

static int find(const char *name)
{
	int found = -1;

	for (uint32_t i = 0; i < entries; i++)
		if (strcmp(entry[i].name, name) == 0)
			found = (int)i; /* the last one counts for Linux */
	return found;
}

static int make_over(const char *agent, const struct layers *l, struct err *e)
{
	struct bundle b;
	uint64_t bytes = 0;
	int rc = bundle_read(&b, folder, e);
	int fd;

	assert_int_equal(rc, 0);
	fd = initrd_make(&b, agent, "modules", l, &bytes, e);
	bundle_free(&b);
	if (fd < 0)
		return fd;
	parse(fd, bytes);
	(void)close(fd);
	return 0;
}

static int make(const char *agent, struct err *e)
{
	return make_over(agent, NULL, e);
}

static void refused(int error, const char *part)
{
	struct err e = {0};

	assert_int_equal(make("agent", &e), -error);
	assert_non_null(strstr(err_msg(&e), part));
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
	if (!mkdtemp(folder) || chdir(folder) < 0 || mkdir("rootfs", 0755) < 0 ||
	    mkdir("rootfs/sub", 0750) < 0 || mkdir("bound", 0755) < 0)
		return -1;
	write_file("agent", "agent");
	write_file("rootfs/sub/file", "text");
	write_file("bound/inner", "inner");
	write_file("hosts", "1.2.3.4 name");
	return link("rootfs/sub/file", "rootfs/other") < 0 ||
	       symlink("/etc/passwd", "rootfs/away") < 0 || mkfifo("rootfs/pipe", 0600) < 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)chdir("/");
	return nftw(folder, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}

/* --- tests --- */

static void test_root(void **state)
{
	struct err e = {0};
	int a, b;

	(void)state;
	describe("");
	assert_int_equal(make("agent", &e), 0);
	a = find("init");
	assert_true(a >= 0 && entry[a].mode == (S_IFREG | 0755) && entry[a].uid == 0);
	assert_string_equal(entry[a].data, "agent");
	assert_true(find("root") >= 0 && S_ISDIR(entry[find("root")].mode));
	a = find("root/sub");
	assert_true(a >= 0 && entry[a].mode == (S_IFDIR | 0750));
	/* two names of a file: one inode, and its bytes with the first */
	a = find("root/sub/file");
	b = find("root/other");
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(entry[a].inode, entry[b].inode);
	assert_int_equal(entry[a].nlink, 2);
	assert_string_equal(entry[a < b ? a : b].data, "text");
	assert_int_equal(entry[a < b ? b : a].size, 0);
	/* a link is a link, wherever it leads */
	a = find("root/away");
	assert_true(a >= 0 && S_ISLNK(entry[a].mode));
	assert_string_equal(entry[a].data, "/etc/passwd");
	a = find("root/pipe");
	assert_true(a >= 0 && S_ISFIFO(entry[a].mode));
	assert_int_equal(find("modules"), -1);
	assert_string_equal(entry[entries].name, "TRAILER!!!");
	for (uint32_t i = 0; i < entries; i++)
		assert_true(entry[i].name[0] != '/' && !strstr(entry[i].name, ".."));
}

static void test_bound(void **state)
{
	char mounts[1024];
	struct err e = {0};
	int a;

	(void)state;
	(void)snprintf(
		mounts, sizeof(mounts),
		"{\"type\":\"bind\",\"source\":\"%s/hosts\",\"destination\":\"/etc/deep/hosts\"},"
		"{\"type\":\"bind\",\"source\":\"%s/bound\",\"destination\":\"/data\","
		"\"options\":[\"ro\"]},"
		"{\"type\":\"bind\",\"source\":\"%s/bound\",\"destination\":\"/dev/shm\"}",
		folder, folder, folder);
	describe(mounts);
	assert_int_equal(make("agent", &e), 0);
	a = find("root/etc/deep/hosts");
	assert_true(a > find("root/etc/deep") && find("root/etc/deep") > find("root/etc") &&
		    find("root/etc") >= 0);
	assert_string_equal(entry[a].data, "1.2.3.4 name");
	assert_string_equal(entry[find("root/data/inner")].data, "inner");
	assert_int_equal(find("root/dev/shm"), -1);
}

/* A folder is where its links lead inside the root, with the modes that it has there. */
static void test_bound_by_links(void **state)
{
	char mounts[1024];
	struct err e = {0};

	(void)state;
	assert_return_code(symlink("/sub", "rootfs/way"), errno);
	assert_return_code(symlink("/nowhere/in", "rootfs/broken"), errno);
	(void)snprintf(
		mounts, sizeof(mounts),
		"{\"type\":\"bind\",\"source\":\"%s/hosts\",\"destination\":\"/way/./in/hosts\"},"
		"{\"type\":\"bind\",\"source\":\"%s/hosts\",\"destination\":\"/broken/hosts\"},"
		"{\"type\":\"bind\",\"source\":\"%s/bound\",\"destination\":\"//way/\","
		"\"options\":[\"ro\"]}",
		folder, folder, folder);
	describe(mounts);
	assert_int_equal(make("agent", &e), 0);
	assert_string_equal(entry[find("root/sub/in/hosts")].data, "1.2.3.4 name");
	assert_int_equal(entry[find("root/sub")].mode, S_IFDIR | 0750);
	assert_string_equal(entry[find("root/sub/inner")].data, "inner");
	assert_int_equal(find("root/way/inner"), -1);
	assert_int_equal(entry[find("root/broken")].mode, S_IFDIR | 0755);
	assert_string_equal(entry[find("root/broken/hosts")].data, "1.2.3.4 name");
	assert_return_code(unlink("rootfs/way"), errno);
	assert_return_code(unlink("rootfs/broken"), errno);
}

/* The root is a disk: of it there is what lies over it, and what is bound into it. */
static void test_layers(void **state)
{
	int over = open("bound", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct layers l = {.n = 2, .over = {over, over}};
	char mounts[512];
	struct err e = {0};

	(void)state;
	(void)snprintf(mounts, sizeof(mounts),
		       "{\"type\":\"bind\",\"source\":\"%s/hosts\",\"destination\":\"/sub/hosts\"}",
		       folder);
	describe(mounts);
	assert_int_equal(make_over("agent", &l, &e), 0);
	assert_true(find("image") >= 0 && S_ISDIR(entry[find("image")].mode));
	assert_string_equal(entry[find("layer0/inner")].data, "inner");
	assert_string_equal(entry[find("layer1/inner")].data, "inner");
	assert_int_equal(find("layer2"), -1);
	assert_true(find("root") >= 0);
	assert_int_equal(find("root/sub/file"), -1);
	assert_int_equal(entry[find("root/sub")].mode, S_IFDIR | 0750);
	assert_string_equal(entry[find("root/sub/hosts")].data, "1.2.3.4 name");
	assert_int_equal(find("opaque"), -1);
	/* names of folders that hide those below, where that can be set */
	if (mkdir("bound/hides", 0755) == 0 &&
	    setxattr("bound/hides", "trusted.overlay.opaque", "y", 1, 0) == 0) {
		assert_int_equal(make_over("agent", &l, &e), 0);
		assert_memory_equal(entry[find("opaque")].data, "layer0/hides\0layer1/hides",
				    sizeof("layer0/hides\0layer1/hides"));
	}
	(void)rmdir("bound/hides");
	(void)close(over);
}

static void test_refused(void **state)
{
	char mounts[512];
	struct err e = {0};

	(void)state;
	(void)snprintf(mounts, sizeof(mounts),
		       "{\"type\":\"bind\",\"source\":\"%s/bound\",\"destination\":\"/data\"}",
		       folder);
	describe(mounts);
	refused(ENOTSUP, "not shared");
	describe("{\"type\":\"bind\",\"source\":\"/nowhere\",\"destination\":\"/data\"}");
	refused(EINVAL, "no such source");
	describe("{\"type\":\"bind\",\"source\":\"/etc\",\"destination\":\"data\"}");
	refused(EINVAL, "destination");
	describe("{\"type\":\"bind\",\"source\":\"/etc/hostname\",\"destination\":\"/../../x\"}");
	refused(EINVAL, "destination");
	describe("{\"type\":\"bind\",\"source\":\"/etc/hostname\",\"destination\":\"/x/..\"}");
	refused(EINVAL, "destination");
	describe("{\"type\":\"bind\",\"source\":\"/etc/hostname\",\"destination\":\"/..x/a\"}");
	assert_int_equal(make("agent", &e), 0);
	describe("");
	assert_int_equal(make("absent", &e), -ENOENT);
	assert_non_null(strstr(err_msg(&e), "agent \"absent\""));
}

static void test_modules(void **state)
{
	struct err e = {0};

	(void)state;
	describe("");
	assert_return_code(mkdir("modules", 0755), errno);
	write_file("modules/order", "a.ko\n");
	write_file("modules/a.ko", "module");
	assert_int_equal(make("agent", &e), 0);
	assert_string_equal(entry[find("modules/order")].data, "a.ko\n");
	assert_string_equal(entry[find("modules/a.ko")].data, "module");
}

/* The container's part alone; and behind the agent it is all that was there at once. */
static void test_part(void **state)
{
	struct bundle b;
	struct err e = {0};
	char behind[8];
	uint64_t bytes = 0;
	off_t all;
	int part;
	int fd;

	(void)state;
	describe("");
	assert_int_equal(bundle_read(&b, folder, &e), 0);
	part = initrd_make_part(&b, NULL, &bytes, &e);
	bundle_free(&b);
	assert_return_code(part, e.code);
	parse(part, bytes);
	assert_int_equal(find("init"), -1);
	assert_int_equal(find("dev/console"), -1);
	assert_true(find("root/sub/file") >= 0);
	fd = initrd_join("agent", "modules", part, &e);
	assert_return_code(fd, e.code);
	parse(fd, 1);
	assert_true(find("init") >= 0);
	assert_int_equal(find("root"), -1);
	all = lseek(fd, 0, SEEK_END);
	assert_int_equal((all - (off_t)bytes) % 4, 0);
	assert_int_equal(pread(fd, behind, 6, all - (off_t)bytes), 6);
	assert_memory_equal(behind, "070701", 6);
	(void)close(fd);
	assert_int_equal(initrd_join("absent", "modules", part, &e), -ENOENT);
	(void)close(part);
}

/* What hooks have written counts; all else is as it was. */
static void test_renew(void **state)
{
	struct bundle b;
	struct err e = {0};
	uint64_t bytes = 0;
	uint32_t before;
	int other;
	int part;

	(void)state;
	write_file("names", "nameserver 1.1.1.1\n");
	write_file("other", "before\n");
	describe("{\"destination\":\"/etc/resolv.conf\",\"source\":\"names\",\"type\":\"bind\"},"
		 "{\"destination\":\"/etc/other\",\"source\":\"other\",\"type\":\"bind\"}");
	assert_int_equal(bundle_read(&b, folder, &e), 0);
	part = initrd_make_part(&b, NULL, &bytes, &e);
	assert_return_code(part, e.code);
	parse(part, bytes);
	before = entries;
	write_file("names", "nameserver 127.0.0.11\noptions ndots:0\n");
	write_file("other", "after\n");
	assert_return_code(initrd_renew(&b, part, &e), e.code);
	assert_int_equal(lseek(part, 0, SEEK_CUR), 0);
	parse(part, bytes);
	assert_true(entries > before);
	assert_string_equal(entry[find("root/etc/resolv.conf")].data,
			    "nameserver 127.0.0.11\noptions ndots:0\n");
	assert_string_equal(entry[find("root/etc/other")].data, "before\n");
	assert_return_code(ftruncate(part, 1000), errno);
	assert_int_equal(initrd_renew(&b, part, &e), -EIO);
	assert_return_code(unlink("names"), errno);
	other = initrd_make(&b, "agent", "modules", NULL, &bytes, &e);
	assert_int_equal(other, -EINVAL);
	bundle_free(&b);
	(void)close(part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),	cmocka_unit_test(test_part),
		cmocka_unit_test(test_bound),	cmocka_unit_test(test_bound_by_links),
		cmocka_unit_test(test_layers),	cmocka_unit_test(test_refused),
		cmocka_unit_test(test_modules), cmocka_unit_test(test_renew)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
