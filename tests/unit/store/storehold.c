/* SPDX-License-Identifier: BSD-3-Clause */
/* All that a guest makes the store keep is charged to it, kind by kind: the heap grows by no more.
 */
#include "store/private.h"
#include "tests/unit/store/store_help.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

#define MOST	  (1280u << 10) /* the limit that is stated */
#define IN_ALL	  (2048u << 10) /* with output */
#define NAME_MAX_ 1900

static uint64_t heap_before, live_before, memory_before;
static char big[STORE_PAYLOAD_MAX];

/* 0 with a sanitizer's allocator: then only the limits are checked. */
static uint64_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static uint64_t memory(void)
{
	struct store_numbers n;

	assert_int_equal(store_domain_numbers(s, 7, &n), 0);
	return n.memory;
}

static int setup(void **state)
{
	(void)store_setup(state);
	(void)ask(&g7, XS_READ, 0, "name|"); /* first buffers */
	heap_before = heap();
	live_before = s->live + s->queued;
	memory_before = memory();
	return 0;
}

/* Charged at least what is held; all of it is given back when the domain goes. */
static void it_is_charged(uint64_t most)
{
	uint64_t in_journal = 2 * (s->live + s->queued - live_before);
	uint64_t charged = memory() - memory_before;
	uint64_t held = heap() - heap_before;

	assert_true(memory() <= most);
	assert_true(charged >= in_journal);
	if (heap_before)
		assert_true(held <= charged - in_journal + 8192);
	print_message("holds %llu, charged %llu and %llu for the journal\n",
		      (unsigned long long)held, (unsigned long long)(charged - in_journal),
		      (unsigned long long)in_journal);
}

static const char *long_path(uint32_t n, uint32_t len)
{
	int at = snprintf(big, sizeof(big), "data/%05u", n);

	memset(big + at, 'p', len - (uint32_t)at);
	memcpy(big + len, "|", 2);
	return big;
}

static void nodes(void **state)
{
	uint32_t n = 0;

	(void)state;
	while (*ask(&g7, XS_MKDIR, 0, long_path(n, 20)) != '!')
		n++;
	assert_in_range(n, 900, 1000);
	it_is_charged(MOST);
}

static void nodes_of_long_paths(void **state)
{
	uint32_t n = 0;

	(void)state;
	while (*ask(&g7, XS_MKDIR, 0, long_path(n, NAME_MAX_)) != '!')
		n++;
	assert_in_range(n, 100, 300);
	it_is_charged(MOST);
	assert_string_equal(ask(&g7, XS_RM, 0, "data|"), "OK|"); /* and again */
	assert_true(memory() < memory_before + 4096);
}

/* One path of many names makes many nodes, and each has a path. */
static void nodes_one_in_the_other(void **state)
{
	char path[STORE_PAYLOAD_MAX] = "data";
	uint32_t n = 0;
	uint32_t at;

	(void)state;
	for (uint32_t k = 0; k < 10; k++) {
		at = (uint32_t)snprintf(path, sizeof(path), "data/%u", k);
		for (uint32_t i = 0; i < 900; i++, at += 2)
			memcpy(path + at, "/d", 3);
		memcpy(path + at, "|", 2);
		n += *ask(&g7, XS_MKDIR, 0, path) != '!';
	}
	assert_int_equal(n, 0); /* 900 nodes of 900 bytes of path are too much */
	it_is_charged(MOST);
}

static void values_that_become_short(void **state)
{
	char text[STORE_PAYLOAD_MAX];

	(void)state;
	for (uint32_t i = 0; i < 900; i++) {
		(void)snprintf(text, sizeof(text), "data/v%u|%02000u", i, i);
		assert_string_equal(ask(&g7, XS_WRITE, 0, text), "OK|");
		for (uint32_t len = 1970; len > 1; len = len > 70 ? len - 60 : 1) {
			(void)snprintf(text, sizeof(text), "data/v%u|%0*u", i, (int)len, i);
			assert_string_equal(ask(&g7, XS_WRITE, 0, text), "OK|");
		}
	}
	it_is_charged(MOST);
}

static void name_many(void)
{
	char text[128];
	uint32_t set = 0;

	for (uint32_t i = 0; i < 990; i++) {
		uint32_t d = 100 + 4 * i;

		(void)snprintf(text, sizeof(text), "data/p%u|", i);
		(void)ask(&g7, XS_MKDIR, 0, text);
		(void)snprintf(text, sizeof(text), "data/p%u|n7|r%u|r%u|r%u|r%u|", i, d, d + 1,
			       d + 2, d + 3);
		set += *ask(&g7, XS_SET_PERMS, 0, text) != '!';
	}
	assert_in_range(set, 300, 990);
}

static void permissions_that_name_many(void **state)
{
	(void)state;
	name_many();
	assert_true(memory() > MOST / 2);
	it_is_charged(MOST);
}

static uint32_t watch_deep(void)
{
	char path[STORE_PAYLOAD_MAX];
	uint32_t n = 0;

	for (uint32_t k = 0; k < 200; k++) {
		uint32_t at = (uint32_t)snprintf(path, sizeof(path), "data/%u", k);

		for (uint32_t i = 0; i < 900; i++, at += 2)
			memcpy(path + at, "/d", 3);
		memcpy(path + at, "|t|", 4);
		n += *ask(&g7, XS_WATCH, 0, path) != '!';
		(void)events(&g7);
	}
	return n;
}

static void watches_of_many_names(void **state)
{
	(void)state;
	assert_in_range(watch_deep(), 1, 20);
	it_is_charged(MOST);
}

static void pictures_of_transactions(void **state)
{
	char text[STORE_PAYLOAD_MAX];
	uint32_t done = 0;

	(void)state;
	for (uint32_t k = 0; k < 10; k++) {
		uint32_t t = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));

		for (uint32_t i = 0; i < 1000; i++) {
			uint32_t d = 100 + 4 * i;

			done += *ask(&g7, XS_READ, t, long_path(i, NAME_MAX_)) == '!';
			(void)snprintf(text, sizeof(text), "data/w%u|%0500u", i, i);
			(void)ask(&g7, XS_WRITE, t, text);
			(void)snprintf(text, sizeof(text), "data/w%u|n7|r%u|r%u|r%u|r%u|", i, d,
				       d + 1, d + 2, d + 3);
			(void)ask(&g7, XS_SET_PERMS, t, text);
			(void)ask(&g7, XS_DIRECTORY, t, "data|");
		}
	}
	assert_in_range(s->transactions, 2, 10);
	assert_int_equal(done, 10000);
	assert_true(memory() > MOST / 2);
	it_is_charged(MOST);
	assert_string_equal(ask(&g7, XS_RESET_WATCHES, 0, "|"), "OK|"); /* ends them, too */
	assert_true(memory() < memory_before + 4096);
}

/* What a transaction may change is what its domain may have. */
static void a_transaction_cannot_add_more_than_requests(void **state)
{
	char text[STORE_PAYLOAD_MAX];
	uint64_t had;
	uint32_t t;

	(void)state;
	name_many();
	had = memory();
	for (uint32_t most = 110; most; most = most == 110 ? 5 : 0) {
		t = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
		for (uint32_t n = 0; n < most; n++) {
			(void)snprintf(text, sizeof(text), "data/p%u|%02000u", n, n);
			assert_string_equal(ask(&g7, XS_WRITE, t, text), "OK|");
		}
		assert_string_equal(ask(&g7, XS_TRANSACTION_END, t, "T|"),
				    most == 110 ? "!ENOSPC|" : "OK|");
		assert_true(most != 110 || memory() == had);
	}
	it_is_charged(MOST);
}

static void flood(void)
{
	char whole[64];
	uint32_t len = message(whole, XS_DIRECTORY, 1, 0, "data|");

	while (store_conn_input(g7.c, whole, len) == (int)len)
		;
}

static void output_that_waits(void **state)
{
	const uint8_t *data;

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		(void)ask(&g7, XS_MKDIR, 0, long_path(i, 12));
	flood();
	assert_in_range(store_conn_output(g7.c, &data), 64 << 10, 72 << 10);
	it_is_charged(MOST);
	store_conn_sent(g7.c, store_conn_output(g7.c, &data));
	assert_true(g7.c->out_room <= 4096); /* the burst is over */
	it_is_charged(MOST);
}

/* A guest with all of it, in the order in which most fits. */
static void everything_together(void **state)
{
	char text[128];

	(void)state;
	name_many();
	(void)watch_deep();
	for (uint32_t i = 0; i < 2000; i++)
		(void)ask(&g7, XS_MKDIR, 0, long_path(i, 100));
	for (uint32_t i = 0; i < 200; i++) {
		(void)snprintf(text, sizeof(text), "data|t%u|", i);
		(void)ask(&g7, XS_WATCH, 0, text);
	}
	for (uint32_t k = 0; k < 10; k++) {
		uint32_t t = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));

		for (uint32_t i = 0; i < 3000; i++)
			(void)ask(&g7, XS_READ, t, long_path(i, 200));
	}
	flood();
	assert_true(memory() > MOST - 8192);
	it_is_charged(IN_ALL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nodes),
		TEST(nodes_of_long_paths),
		TEST(nodes_one_in_the_other),
		TEST(values_that_become_short),
		TEST(permissions_that_name_many),
		TEST(watches_of_many_names),
		TEST(pictures_of_transactions),
		TEST(a_transaction_cannot_add_more_than_requests),
		TEST(output_that_waits),
		TEST(everything_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
