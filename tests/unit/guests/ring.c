/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent's ring: records in order and once each, sleeps and bells, a restored guest, hostile
 * indexes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guests/linux/link/ring.h"

static uint8_t *pages;
static struct ring host, guest;

static int setup(void **state)
{
	(void)state;
	pages = aligned_alloc(RING_PAGE, RING_ALL * RING_PAGE);
	assert_non_null(pages);
	memset(pages, 0, RING_ALL * RING_PAGE);
	ring_init(&host, pages, true);
	ring_init(&guest, pages, false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(pages);
	return 0;
}

static bool put(struct ring *r, uint32_t number, uint32_t len)
{
	struct iovec to[2];

	assert_int_equal(ring_place(r, len, to), len);
	for (uint32_t i = 0; i < len; i++) {
		uint8_t *at = i < to[0].iov_len ? to[0].iov_base : to[1].iov_base;

		at[i < to[0].iov_len ? i : i - to[0].iov_len] = (uint8_t)(number + i);
	}
	return ring_commit(r, (uint8_t)number, (uint8_t)(number % 16), len);
}

static bool take(struct ring *r, uint32_t number, uint32_t len)
{
	static uint8_t data[RING_RECORD];
	struct ring_record rec;
	uint32_t half = len / 2;

	assert_int_equal(ring_next(r, &rec), 1);
	assert_int_equal(rec.type, (uint8_t)number);
	assert_int_equal(rec.session, number % 16);
	assert_int_equal(rec.len, len);
	ring_copy(data, &rec, 0, half);
	ring_copy(data + half, &rec, half, len - half);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(data[i], (uint8_t)(number + i));
	return ring_release(r, &rec);
}

static uint32_t length_of(uint32_t number)
{
	return number * 7919 % (RING_RECORD + 1);
}

static void both_ways(struct ring *from, struct ring *to)
{
	uint32_t sent = 0;
	struct ring_record rec;

	for (uint32_t taken = 0; taken < 200; taken++) {
		while (ring_room(from) >= length_of(sent))
			(void)put(from, sent, length_of(sent)), sent++;
		(void)take(to, taken, length_of(taken));
	}
	assert_true(sent >= 200);
	while (ring_next(to, &rec) > 0)
		(void)ring_release(to, &rec);
	assert_true(ring_room(from) >= RING_SIZE - 16);
}

static void in_order(void **state)
{
	(void)state;
	both_ways(&guest, &host);
	both_ways(&host, &guest);
	assert_false(host.broken || guest.broken);
}

/* A bell for an end that sleeps, and only then; no sleep when there is something. */
static void bells(void **state)
{
	uint32_t n = 0;
	uint32_t taken = 0;

	(void)state;
	assert_false(put(&guest, 1, 10)); /* it has not slept */
	assert_false(ring_sleeps_for_data(&host));
	(void)take(&host, 1, 10);
	assert_true(ring_sleeps_for_data(&host));
	assert_true(put(&guest, 2, 10));
	assert_false(put(&guest, 3, 10));
	(void)take(&host, 2, 10);
	assert_false(ring_sleeps_for_data(&host));
	(void)take(&host, 3, 10);
	assert_false(ring_sleeps_for_room(&guest, 1000));
	for (; ring_room(&guest) >= 1000; n++)
		assert_false(put(&guest, n, 1000));
	assert_true(ring_sleeps_for_room(&guest, 1000));
	while (!take(&host, taken, 1000))
		taken++;
	assert_in_range(taken, n / 2 - 1, n / 2 + 1); /* when half of it is free */
	assert_false(take(&host, ++taken, 1000));
	assert_false(ring_sleeps_for_room(&guest, 1000));
}

/* The guest goes on in other pages; the host has sent and taken more than the saved ones say. */
static void restored(void **state)
{
	static uint8_t copy[RING_SIZE];
	uint8_t *saved = aligned_alloc(RING_PAGE, RING_ALL * RING_PAGE);
	uint8_t *old = pages;
	struct ring_half *half = (void *)saved;

	(void)state;
	assert_non_null(saved);
	host.copy = copy;
	for (uint32_t i = 0; i < 20; i++) /* beyond the end */
		(void)put(&host, i, 50000), (void)take(&guest, i, 50000);
	(void)put(&host, 20, 50000);
	for (uint32_t i = 30; i < 33; i++)
		(void)put(&guest, i, 60000);
	memcpy(saved, pages, RING_ALL * RING_PAGE);
	(void)put(&host, 21, 50000);
	(void)take(&host, 30, 60000);
	half[0].prod = guest.out.at;
	half[0].cons = host.in.at;
	half[1].prod = host.out.at;
	half[1].cons = guest.in.at;
	ring_move(&guest, saved);
	ring_move(&host, saved);
	memset(old, 0xee, RING_ALL * RING_PAGE);
	(void)put(&guest, 33, 60000);
	(void)put(&host, 22, 50000);
	for (uint32_t i = 31; i < 34; i++)
		(void)take(&host, i, 60000);
	for (uint32_t i = 20; i < 23; i++)
		(void)take(&guest, i, 50000);
	assert_false(host.broken || guest.broken);
	free(saved);
}

static void expect_broken(void)
{
	struct ring_record rec;

	assert_int_equal(ring_next(&host, &rec), -EPROTO);
	assert_true(host.broken);
	assert_int_equal(ring_next(&host, &rec), -EPROTO);
	assert_int_equal(ring_room(&host), 0);
	assert_false(ring_sleeps_for_data(&host));
	assert_false(ring_sleeps_for_room(&host, 8));
}

static void hostile(void **state)
{
	struct ring_half *half = (void *)pages;
	uint32_t *head = (void *)(pages + RING_PAGE);
	static const uint32_t prod[] = {RING_SIZE + 8, 0u - 8, 1u << 31, 12, 1};
	static const uint32_t len[] = {~0u, RING_RECORD + 1, 8, 1u << 31, 0u - 8, 0u - 7};
	struct iovec to[2];

	(void)state;
	for (size_t i = 0; i < sizeof(prod) / sizeof(prod[0]); i++) {
		ring_init(&host, pages, true);
		half[0].prod = prod[i];
		expect_broken();
	}
	for (size_t i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		ring_init(&host, pages, true);
		half[0].prod = 8;
		head[0] = len[i];
		expect_broken();
	}
	ring_init(&host, pages, true);
	half[0].prod = 8;
	head[0] = 0;
	head[1] = 1u << 16;
	expect_broken();
	/* what it has taken is more than there was */
	ring_init(&host, pages, true);
	half[1].cons = 8;
	assert_int_equal(ring_place(&host, 100, to), 100); /* of what was known */
	assert_true(ring_sleeps_for_room(&host, RING_SIZE) == false && host.broken);
	assert_int_equal(ring_place(&host, 100, to), 0);
	/* it changes an index that is ours: that has no effect */
	half[1].cons = 0;
	ring_init(&host, pages, true);
	half[1].prod = 4711;
	(void)put(&host, 0, 16);
	assert_int_equal(half[1].prod, 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(bells, setup, teardown),
		cmocka_unit_test_setup_teardown(restored, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
