/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests' random numbers and first sequence numbers: copies of one guest have none in common. */
#include "guests/lwip/secret.h"

#include <string.h>

#include "tests/unit/unit.h"

#define COPIES 1000u
#define SECOND 1000000000ull

static const uint8_t connection[36] = {10, 0, 0, 1, 10, 0, 0, 2, 0x13, 0x88};

/* Of the reference implementation: key 00..0f, input 00, 01, ..., of 0, 1, 8 and 15 bytes. */
static void siphash_is_that_of_the_paper(void **state)
{
	const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	uint8_t in[15];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	assert_true(siphash(key, in, 0) == 0x726fdb47dd0e0e31);
	assert_true(siphash(key, in, 1) == 0x74f839c593dc67fd);
	assert_true(siphash(key, in, 8) == 0x93f5f5799a932462);
	assert_true(siphash(key, in, 15) == 0xa129ca6149be45e5);
}

static struct secret of_seed(uint8_t last)
{
	uint8_t seed[SECRET_SEED] = {1, 2, 3};
	struct secret s = {.drawn = 0};

	seed[SECRET_SEED - 1] = last;
	secret_renew(&s, seed);
	return s;
}

static void a_sequence_number_is_of_its_connection_and_time(void **state)
{
	struct secret s = of_seed(0);
	uint8_t other[sizeof(connection)];
	uint32_t isn = secret_isn(&s, connection, sizeof(connection), SECOND);

	(void)state;
	memcpy(other, connection, sizeof(other));
	other[sizeof(other) - 1]++;
	/* 250000 steps a second: a connection made again is not taken for the last one */
	assert_int_equal(secret_isn(&s, connection, sizeof(connection), 2 * SECOND) - isn, 250000);
	assert_int_not_equal(secret_isn(&s, other, sizeof(other), SECOND), isn);
}

/* Copies differ in the seed alone: same memory, same moment. */
static void copies_share_nothing(void **state)
{
	static uint32_t isn[COPIES], drawn[COPIES];
	struct secret was = of_seed(7);

	(void)state;
	for (uint32_t i = 0; i < COPIES; i++) {
		struct secret s = was;
		uint8_t seed[SECRET_SEED] = {0};

		memcpy(seed, &i, sizeof(i));
		secret_renew(&s, seed);
		isn[i] = secret_isn(&s, connection, sizeof(connection), SECOND);
		drawn[i] = secret_random(&s);
		for (uint32_t j = 0; j < i; j++) {
			assert_int_not_equal(isn[i], isn[j]);
			assert_int_not_equal(drawn[i], drawn[j]);
		}
	}
}

static void each_byte_of_a_seed_and_what_was_before_count(void **state)
{
	struct secret one = of_seed(1);
	struct secret two = of_seed(2);
	uint8_t same[SECRET_SEED] = {0};

	(void)state;
	assert_int_not_equal(secret_random(&one), secret_random(&two));
	secret_renew(&one, same);
	secret_renew(&two, same);
	assert_int_not_equal(secret_random(&one), secret_random(&two));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_is_that_of_the_paper),
		cmocka_unit_test(a_sequence_number_is_of_its_connection_and_time),
		cmocka_unit_test(copies_share_nothing),
		cmocka_unit_test(each_byte_of_a_seed_and_what_was_before_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
