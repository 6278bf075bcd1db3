/* SPDX-License-Identifier: BSD-3-Clause */
/* Packed kernels, hostile ones too: the child ends at its limits, this process does not grow, and
 * the cache keeps kernels alone, within its size. */
#include "libdom/libdom.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include "tests/unit/unit.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif

#define SETUP 1024u
#define MIB   (1u << 20)

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/chaos-confine-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* `head`, then so many zero bytes, packed: a few KiB. */
static size_t zstd_of(uint8_t *out, size_t room, const void *head, size_t n, uint64_t zeros)
{
	static const uint8_t none[MIB];
	ZSTD_CCtx *z = ZSTD_createCCtx();
	ZSTD_outBuffer to = {out, room, 0};
	ZSTD_inBuffer in = {head, n, 0};

	assert_non_null(z);
	assert_false(ZSTD_isError(ZSTD_compressStream2(z, &to, &in, ZSTD_e_continue)));
	for (; zeros; zeros -= zeros < MIB ? zeros : MIB) {
		in = (ZSTD_inBuffer){none, zeros < MIB ? zeros : MIB, 0};
		while (in.pos < in.size)
			assert_false(
				ZSTD_isError(ZSTD_compressStream2(z, &to, &in, ZSTD_e_continue)));
	}
	while (ZSTD_compressStream2(z, &to, &in, ZSTD_e_end) != 0)
		assert_true(to.pos < to.size);
	(void)ZSTD_freeCCtx(z);
	return to.pos;
}

static int bzimage(const uint8_t *payload, size_t n)
{
	int fd = memfd_create("bzimage", MFD_CLOEXEC);
	uint8_t head[SETUP + 16] = {0};
	uint32_t offset = 16;
	uint32_t len = (uint32_t)n + 4;

	head[0x1f1] = 1;
	memcpy(head + 0x202, "HdrS", 4);
	head[0x206] = 0x0f;
	head[0x207] = 2;
	memcpy(head + 0x248, &offset, 4);
	memcpy(head + 0x24c, &len, 4);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, head, sizeof(head)), sizeof(head));
	assert_int_equal(write(fd, payload, n), (ssize_t)n);
	assert_int_equal(write(fd, "\0\0\0\0", 4), 4);
	return fd;
}

static uint32_t files(void)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	uint32_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static long peak_kib(void)
{
	struct rusage u;

	assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
	return u.ru_maxrss;
}

static void refuse(const void *head, size_t n, uint64_t zeros, int code, const char *words)
{
	static uint8_t packed[MIB];
	int fd = bzimage(packed, zstd_of(packed, sizeof(packed), head, n, zeros));
	long before = peak_kib();
	struct err e = {0};
	struct image *img;
	int rc = image_open(fd, "bomb", dir, &img, &e);

	if (rc != -code || !strstr(e.msg, words))
		fail_msg("wanted %d \"%s\", got %d \"%s\"", code, words, -rc, e.msg);
	assert_null(img);
	assert_int_equal(files(), 0);
	assert_true(peak_kib() - before < 8 * 1024); /* what was unpacked was never here */
	(void)close(fd);
}

static void bombs_leave_nothing(void **state)
{
	static uint8_t elf[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
	static const char text[] = "no kernel, but long";

	(void)state;
	refuse("", 0, 600ull * MIB, ENOEXEC, "not an ELF file");
	refuse(text, sizeof(text), 16, ENOEXEC, "not an ELF file");
	refuse(elf, 8, 0, ENOEXEC, "not an ELF file"); /* shorter than any */
	refuse(elf, sizeof(elf), 0, ENOEXEC, "machine 0");
	refuse(elf, sizeof(elf), 40ull * MIB, ENOEXEC, "machine 0");
}

/* A guest that is one, packed. */
static int packed_guest(uint8_t mark)
{
	static uint8_t file[MIB], packed[MIB];
	int guest = open(GUEST_NOOP, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(guest, file, sizeof(file));
	uint8_t *end;

	assert_true(n > 64);
	(void)close(guest);
	end = file + n;
	*end = mark; /* another kernel each */
	return bzimage(packed, zstd_of(packed, sizeof(packed), file, (size_t)n + 1, 0));
}

static void open_guest(uint8_t mark)
{
	int fd = packed_guest(mark);
	struct err e = {0};
	struct image *img;

	if (image_open(fd, "guest", dir, &img, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(image_info(img)->direct);
	image_put(img);
	(void)close(fd);
}

static void put_file(const char *name, off_t bytes, time_t used)
{
	struct timespec t[2] = {{used, 0}, {used, 0}};
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	assert_int_equal(futimens(fd, t), 0);
	(void)close(fd);
}

static void old_kernel(uint32_t i, off_t bytes, time_t used)
{
	char name[128];

	(void)snprintf(name, sizeof(name), "kernel-%064x", i);
	put_file(name, bytes, used);
}

static bool is_there(uint32_t i)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/kernel-%064x", dir, i);
	return access(path, F_OK) == 0;
}

static void kernels_are_kept(void **state)
{
	char path[512];
	struct timespec old[2] = {{1000, 0}, {1000, 0}};
	const struct dirent *e;
	struct stat st;
	DIR *d;

	(void)state;
	open_guest(1);
	assert_int_equal(files(), 1);
	d = opendir(dir);
	assert_non_null(d);
	do {
		e = readdir(d);
		assert_non_null(e);
	} while (e->d_name[0] == '.');
	assert_int_equal(strlen(e->d_name), 7 + 64);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
	(void)closedir(d);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	open_guest(1); /* from the cache, which notes the use */
	assert_int_equal(files(), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_mtim.tv_sec > 1000);
}

static void too_many_go(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < IMAGE_CACHE_FILES + 4; i++)
		old_kernel(i, 4096, 1000 + (i + 7) % 20); /* 13 was used longest ago */
	open_guest(2);
	assert_int_equal(files(), IMAGE_CACHE_FILES);
	for (uint32_t i = 0; i < IMAGE_CACHE_FILES + 4; i++)
		assert_int_equal(is_there(i), i < 13 || i >= 18);
}

static void too_large_ones_go(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 6; i++) /* sparse */
		old_kernel(i, 200LL * MIB, 1000 + i);
	put_file("other", 1000LL * MIB, 1);
	open_guest(3);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(is_there(i), i >= 4);
	assert_int_equal(files(), 4);
}

static void a_start_tidies(void **state)
{
	(void)state;
	put_file("unpack-AbCdEf", 100, 1);
	put_file("kernel-0123.XXXXXX", 100, 1);
	old_kernel(1, 513LL * MIB, 1);
	old_kernel(2, 513, 2);
	put_file("other", 100, 1);
	image_cache_tidy(dir);
	assert_int_equal(files(), 2);
	assert_true(is_there(2));
	image_cache_tidy("/nowhere/at/all");
}

int main(void)
{
#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		IN_DIR(a_start_tidies),
	};
	const struct CMUnitTest confined[] = {
		IN_DIR(bombs_leave_nothing),
		IN_DIR(kernels_are_kept),
		IN_DIR(too_many_go),
		IN_DIR(too_large_ones_go),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	/* Its runtime makes calls that the filter forbids. */
	if (!__has_feature(address_sanitizer))
		failed += cmocka_run_group_tests(confined, NULL, NULL);
	return failed;
}
