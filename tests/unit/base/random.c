/* SPDX-License-Identifier: BSD-3-Clause */
/* Random bytes: all of them, never the same ones twice, in every thread and size; a kernel that
 * gives none. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/random.h"

static int fail_with;
static unsigned int calls;

ssize_t __real_getrandom(void *buf, size_t len, unsigned int flags);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags);

ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags)
{
	calls++;
	if (fail_with) {
		errno = fail_with;
		return -1;
	}
	return __real_getrandom(buf, len, flags);
}

#define PIECE 16u /* two equal ones in 2^64 pairs are no accident */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, PIECE);
}

static void no_two_are_equal(uint8_t *all, size_t n)
{
	qsort(all, n, PIECE, compare);
	for (size_t i = 1; i < n; i++)
		assert_memory_not_equal(all + (i - 1) * PIECE, all + i * PIECE, PIECE);
}

static void pieces_differ(void **state)
{
	static uint8_t all[4096 * PIECE];

	(void)state;
	calls = 0;
	for (size_t i = 0; i < 4096; i++)
		assert_int_equal(random_bytes(all + i * PIECE, PIECE, "piece", NULL), 0);
	assert_in_range(calls, 4096 * PIECE / 256, 4096 * PIECE / 256 + 1);
	no_two_are_equal(all, 4096);
}

/* Of each size all bytes are written and none beyond. */
static void sizes(void **state)
{
	static const size_t size[] = {0, 1, 7, 32, 255, 256, 257, 1000, 8192};

	(void)state;
	for (size_t i = 0; i < sizeof(size) / sizeof(*size); i++) {
		uint8_t seen[8192 + 1] = {0}; /* bits that were ever set */
		uint8_t out[8192 + 1] = {0};

		for (int round = 0; round < 64; round++) {
			assert_int_equal(random_bytes(out, size[i], "bytes", NULL), 0);
			for (size_t at = 0; at <= size[i]; at++)
				seen[at] |= out[at];
		}
		for (size_t at = 0; at < size[i]; at++)
			assert_int_equal(seen[at], 0xff);
		assert_int_equal(out[size[i]], 0);
	}
}

static void *fill(void *arg)
{
	uint8_t *to = arg;

	for (size_t i = 0; i < 512; i++)
		if (random_bytes(to + i * PIECE, PIECE, "piece", NULL) < 0)
			abort();
	return NULL;
}

static void threads(void **state)
{
	static uint8_t all[4][512 * PIECE];
	pthread_t t[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, fill, all[i]), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	no_two_are_equal(all[0], 4 * 512);
}

/* After it there are 128 bytes without a system call; it makes none when they are there. */
static void stock(void **state)
{
	uint8_t out[128];

	(void)state;
	for (int i = 0; i < 64; i++) {
		assert_int_equal(random_bytes(out, 16, "piece", NULL), 0);
		random_stock();
		calls = 0;
		random_stock();
		assert_int_equal(calls, 0);
		if (i % 8 == 7)
			assert_int_equal(random_bytes(out, sizeof(out), "piece", NULL), 0);
		assert_int_equal(calls, 0);
	}
	fail_with = ENOSYS;
	random_stock();
	random_stock();
	fail_with = 0;
	assert_int_equal(random_bytes(out, sizeof(out), "piece", NULL), 0);
}

/* What is left is given; then the error, with what it was for; then it goes on. */
static void the_kernel_gives_none(void **state)
{
	uint8_t out[PIECE];
	struct err e = {0};
	int rc = 0;

	(void)state;
	fail_with = ENOSYS;
	for (int i = 0; i < 17 && rc == 0; i++)
		rc = random_bytes(out, PIECE, "seed", &e);
	assert_int_equal(rc, -ENOSYS);
	assert_non_null(strstr(err_msg(&e), "random seed"));
	fail_with = 0;
	assert_int_equal(random_bytes(out, PIECE, "seed", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_differ),
		cmocka_unit_test(sizes),
		cmocka_unit_test(threads),
		cmocka_unit_test(stock),
		cmocka_unit_test(the_kernel_gives_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
