/* SPDX-License-Identifier: BSD-3-Clause */
/* Disks' contents and locks, and names of interfaces: what needs no rights. */
#include "dom0/kernel.h"
#include "dom0/link.h"
#include "dom0/loopdev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/readdir_help.h"
#include "tests/unit/unit.h"

/* --- calls that fail --- */

static int opendir_error, loop_error; /* 0: none */
static uint32_t loops_opened;

DIR *__real_opendir(const char *name);
DIR *__wrap_opendir(const char *name);
DIR *__wrap_opendir(const char *name)
{
	if (!opendir_error) /* dom0's kernel has a folder of backends, this one need not */
		return __real_opendir(strstr(name, "xen-backend") ? "/" : name);
	errno = opendir_error;
	return NULL;
}

int __real_open64(const char *name, int flags, ...);
int __wrap_open64(const char *name, int flags, ...);
int __wrap_open64(const char *name, int flags, ...)
{
	bool loop = strncmp(name, "/dev/loop", 9) == 0;

	loops_opened += loop;
	if (!loop || !loop_error)
		return __real_open64(name, flags, 0);
	errno = loop_error;
	return -1;
}

/* --- disks --- */

static char path[] = "/tmp/chaos-hostdev-XXXXXX";

static int file_with(uint32_t at, const char *bytes, uint32_t len, uint64_t size)
{
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	return fd;
}

static void formats_are_told_apart(void **state)
{
	static const struct {
		uint32_t at;
		const char *bytes;
		uint32_t len;
		const char *name; /* NULL: raw */
	} t[] = {
		{0, "QFI\xfb\0\0\0\3", 8, "qcow2"},
		{0, "QED\0", 4, "qed"},
		{0, "KDMV", 4, "vmdk"},
		{0, "COWD", 4, "vmdk"},
		{0, "# Disk DescriptorFile\n", 22, "vmdk"},
		{64, "\x7f\x10\xda\xbe", 4, "vdi"},
		{0, "conectix", 8, "vhd"},
		{65536 - 512, "conectix", 8, "vhd"},
		{0, "vhdxfile", 8, "vhdx"},
		{0, "WithoutFreeSpace", 16, "parallels"},
		{0, "QFI", 3, NULL},
		{1, "QFI\xfb", 4, NULL},
		{510, "\x55\xaa", 2, NULL},
		{1024, "conectix", 8, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		int fd = file_with(t[i].at, t[i].bytes, t[i].len, 65536);
		struct disk_info d;
		struct err e = {0};

		if (t[i].name) {
			assert_int_equal(disk_probe(fd, &d, &e), -EINVAL);
			assert_non_null(strstr(e.msg, t[i].name));
			assert_non_null(strstr(e.msg, "qemu-img"));
		} else {
			assert_int_equal(disk_probe(fd, &d, &e), 0);
			assert_int_equal(d.sectors, 128);
			assert_int_equal(d.sector_bytes, 512);
			assert_false(d.block);
		}
		(void)close(fd);
	}
}

static void what_is_no_disk(void **state)
{
	struct disk_info d;
	struct err e = {0};
	int fd = open("/", O_RDONLY);

	(void)state;
	assert_int_equal(disk_probe(fd, &d, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "a folder"));
	(void)close(fd);
	fd = open("/dev/null", O_RDONLY);
	assert_int_equal(disk_probe(fd, &d, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "neither"));
	(void)close(fd);
	fd = file_with(0, "", 0, 511);
	assert_int_equal(disk_probe(fd, &d, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "is empty"));
	(void)close(fd);
	assert_int_equal(disk_probe(-1, &d, &e), -EBADF);
	fd = file_with(0, "", 0, 4096 + 100); /* the tail is no sector */
	assert_int_equal(disk_probe(fd, &d, &e), 0);
	assert_int_equal(d.sectors, 8);
	(void)close(fd);
}

static int again(int fd, int flags)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return open(name, flags);
}

static void locks_are_between_open_files(void **state)
{
	int fd = file_with(0, "", 0, 65536);
	int other = again(fd, O_RDWR);
	struct err e = {0};

	(void)state;
	assert_int_equal(disk_lock(fd, false, &e), 0);
	assert_int_equal(disk_lock(fd, false, &e), 0); /* its own */
	assert_int_equal(disk_lock(other, false, &e), -EBUSY);
	assert_non_null(strstr(e.msg, "locked by another VM"));
	assert_int_equal(disk_lock(other, true, &e), -EBUSY);
	(void)close(fd);
	assert_int_equal(disk_lock(other, true, &e), 0);
	fd = again(other, O_RDWR);
	assert_int_equal(disk_lock(fd, true, &e), 0); /* readers share */
	assert_int_equal(disk_lock(fd, false, &e), -EBUSY);
	(void)close(fd);
	(void)close(other);
}

static void a_file_alone_is_not_in_use(void **state)
{
	int fd = file_with(0, "", 0, 65536);
	int other = again(fd, O_RDONLY);
	struct disk_info d;
	struct err e = {0};

	(void)state;
	assert_int_equal(disk_probe(fd, &d, &e), 0);
	assert_int_equal(disk_in_use(fd, &d, false, &e), 0);
	assert_int_equal(disk_in_use(other, &d, true, &e), 0); /* open, but behind no loop device */
	(void)close(other);
	(void)close(fd);
}

/* Whether a loop device has the file cannot be found out: then it is not given to a VM. */
static void a_file_that_cannot_be_compared_is_refused(void **state)
{
	int fd = file_with(0, "", 0, 65536);
	int other = again(fd, O_RDONLY);
	bool failed = true;
	struct disk_info d;
	struct err e = {0};

	(void)state;
	assert_int_equal(disk_probe(fd, &d, &e), 0);
	for (uint32_t nth = 1; failed; nth++) {
		int rc;

		readdir_fail_at(nth);
		rc = disk_in_use(fd, &d, false, &e);
		failed = readdir_failed();
		assert_int_equal(rc, failed ? -EIO : 0);
		readdir_fail_at(0);
		assert_true(nth > 1 || failed);
	}
	assert_non_null(strstr(e.msg, "loop devices"));
	opendir_error = EMFILE;
	assert_int_equal(disk_in_use(fd, &d, false, &e), -EMFILE);
	opendir_error = ENOENT;
	assert_int_equal(disk_in_use(fd, &d, false, &e), 0);
	opendir_error = 0;
	loops_opened = 0;
	loop_error = ENXIO;
	assert_int_equal(disk_in_use(fd, &d, false, &e), 0);
	loop_error = ENOMEM;
	/* a machine without loop devices has none to compare */
	assert_int_equal(disk_in_use(fd, &d, false, &e), loops_opened ? -ENOMEM : 0);
	loop_error = 0;
	(void)close(other);
	(void)close(fd);
}

static void note(const char *name, void *arg)
{
	(void)name;
	(*(uint32_t *)arg)++;
}

static void backends_that_cannot_be_listed(void **state)
{
	uint32_t n = 0;

	(void)state;
	assert_int_equal(kernel_each_backend(note, &n), 0);
	assert_true(n > 1);
	readdir_fail_at(2);
	assert_int_equal(kernel_each_backend(note, &n), -EIO);
	readdir_fail_at(0);
	opendir_error = EMFILE;
	assert_int_equal(kernel_each_backend(note, &n), -EMFILE);
	opendir_error = ENOENT; /* a kernel without backends */
	assert_int_equal(kernel_each_backend(note, &n), 0);
	opendir_error = 0;
}

static void names_of_interfaces(void **state)
{
	static const char *const good[] = {"a", "xenbr0", "vif1.0", "fifteen-bytes-x"};
	static const char *const bad[] = {"",	   ".",	      "..",    "a/b",
					  "a:b",   "a b",     "vif%d", "sixteen-bytes-xx",
					  "tab\t", "\xc3\xa4"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(link_name_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(link_name_valid(bad[i]));
}

static void finding_interfaces(void **state)
{
	struct link *l = NULL;
	struct link_info i;
	struct err e = {0};

	(void)state;
	assert_int_equal(link_open(&l, &e), 0);
	assert_int_equal(link_find(l, "nonesuch0", &i), -ENODEV);
	assert_int_equal(link_find(l, "not a name", &i), -ENODEV);
	if (link_find(l, "lo", &i) == 0) { /* not in every container */
		assert_int_equal(i.ifindex, 1);
		assert_string_equal(i.name, "lo");
		assert_false(i.is_bridge);
		assert_int_equal(i.master, 0);
		assert_true(i.mtu >= 1500);
	}
	assert_int_equal(link_set(l, 0, &LINK_CHANGE_NONE, &e), -EINVAL);
	assert_int_equal(link_set(l, 0x7ffffffe, &LINK_CHANGE_NONE, &e) < 0, 1);
	assert_int_equal(link_find(l, "nonesuch0", &i), -ENODEV); /* errors leave nothing behind */
	link_close(l);
	link_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_told_apart),
		cmocka_unit_test(what_is_no_disk),
		cmocka_unit_test(locks_are_between_open_files),
		cmocka_unit_test(a_file_alone_is_not_in_use),
		cmocka_unit_test(a_file_that_cannot_be_compared_is_refused),
		cmocka_unit_test(backends_that_cannot_be_listed),
		cmocka_unit_test(names_of_interfaces),
		cmocka_unit_test(finding_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
