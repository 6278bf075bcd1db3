/* SPDX-License-Identifier: BSD-3-Clause */
/* Input for a console ring: moved in large parts, and how long its reader's events are left alone.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "noxs/control.h"
#include "split-toolstack/engine/guest/input.h"

#define RING NOXS_CONSOLE_IN_SIZE

static struct noxs_control page;
static struct noxs_control_end ring;
static struct input_queue q;

static int begin(void **state)
{
	(void)state;
	memset(&page, 0, sizeof(page));
	q = (struct input_queue){0};
	noxs_control_init(&ring, &page);
	return 0;
}

static int end(void **state)
{
	(void)state;
	input_free(&q);
	return 0;
}

#define INPUT(f) cmocka_unit_test_setup_teardown(f, begin, end)

static void fill(uint32_t len)
{
	static uint8_t bytes[INPUT_QUEUE_MAX];

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 251);
	assert_int_equal(input_add(&q, bytes, len), len);
}

/* The guest reads n bytes. */
static void reads(uint32_t n)
{
	page.in_cons += n;
}

static double turn(bool pushed)
{
	assert_int_equal(input_push(&q, &ring), pushed);
	return input_rest(&q, pushed);
}

static void little_goes_at_once(void **state)
{
	(void)state;
	fill(RING - 10);
	assert_true(input_push(&q, &ring));
	assert_int_equal(page.in_prod, RING - 10);
	fill(10); /* all of it fits, though less than half of the ring is free */
	assert_true(input_push(&q, &ring));
	assert_int_equal(page.in_prod, RING);
	assert_true(input_rest(&q, true) == 0.); /* nothing waits */
	assert_false(input_push(&q, &ring));
}

static void much_goes_by_halves(void **state)
{
	double rest;

	(void)state;
	fill(RING * 3);
	assert_true(input_push(&q, &ring));
	reads(16);
	rest = turn(false);
	assert_true(rest > 0.);
	reads(16);
	assert_true(turn(false) > rest); /* a slow one */
	reads(RING / 2);
	assert_true(turn(true) == rest);
	assert_int_equal(page.in_prod, RING + 32 + RING / 2);
	for (uint32_t i = 0; i < 20; i++) {
		reads(1);
		rest = turn(false);
	}
	assert_true(rest > 0. && rest < .1); /* never long */
	while (q.len) {
		reads(page.in_prod - page.in_cons);
		(void)turn(true);
	}
	assert_int_equal(page.in_prod, RING * 3);
}

/* Nothing looks at the ring of a guest that does not read, until it sends an event. */
static void one_that_does_not_read(void **state)
{
	(void)state;
	fill(RING * 2);
	(void)turn(true);
	for (int i = 0; i < 3; i++)
		assert_true(turn(false) == 0.);
	reads(16);
	assert_true(turn(false) > 0.);
	assert_true(turn(false) == 0.);
}

static void bytes_keep_their_order(void **state)
{
	uint32_t got = 0;
	uint32_t sent = 0;

	(void)state;
	fill(INPUT_QUEUE_MAX);
	assert_int_equal(input_add(&q, "x", 1), 0); /* full */
	while (q.len || page.in_cons != page.in_prod) {
		(void)input_push(&q, &ring);
		for (uint32_t i = 0; i < 700 && page.in_cons != page.in_prod; i++, got++)
			assert_int_equal(page.console_in[page.in_cons++ % RING],
					 (uint8_t)(got % INPUT_QUEUE_MAX * 31 +
						   got % INPUT_QUEUE_MAX / 251));
		if (sent++ == 20)
			assert_true(input_add(&q, "", 0) == 0);
	}
	assert_int_equal(got, INPUT_QUEUE_MAX);
}

static void impossible_indexes(void **state)
{
	(void)state;
	fill(RING * 2);
	page.in_cons = 5;
	assert_int_equal(noxs_console_room(&ring), RING);
	assert_false(input_push(&q, &ring));
	assert_int_equal(page.in_prod, 0);
	assert_int_equal(noxs_console_put(&ring, "x", 1), 0); /* it was told once */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		INPUT(little_goes_at_once),    INPUT(much_goes_by_halves),
		INPUT(one_that_does_not_read), INPUT(bytes_keep_their_order),
		INPUT(impossible_indexes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
