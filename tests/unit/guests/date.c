/* SPDX-License-Identifier: BSD-3-Clause */
/* daytime's lines against the host's calendar. */
#include "guests/date.h"

#include <string.h>
#include <stdio.h>
#include <time.h>

#include "guests/kit/kit.h"
#include "tests/unit/unit.h"

struct kit kit = {.cmdline = ""};

static void same(uint64_t seconds)
{
	time_t t = (time_t)seconds;
	char wanted[80];
	char got[80];
	struct tm tm;

	assert_non_null(gmtime_r(&t, &tm));
	/* %e pads with a space: the day is printed by itself */
	assert_int_not_equal(strftime(got, sizeof(got), "%A, %B ", &tm), 0);
	assert_true(snprintf(wanted, sizeof(wanted), "%s%d, %d %02d:%02d:%02d-UTC\r\n", got,
			     tm.tm_mday, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec) > 0);
	assert_int_equal(date_line(seconds, got, sizeof(got)), strlen(wanted));
	assert_string_equal(got, wanted);
}

static void dates_are_those_of_the_host(void **state)
{
	(void)state;
	for (uint64_t day = 0; day < 400 * 366; day += 1) { /* a whole cycle, and leap centuries */
		same(day * 86400);
		same(day * 86400 + 86399);
	}
	same(1u << 31);
	same(13584153599); /* the last second of June 2400 */
}

static void short_buffers_are_kept(void **state)
{
	char line[8] = "xxxxxxx";

	(void)state;
	assert_int_equal(date_line(0, line, 5), 4);
	assert_string_equal(line, "Thur");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_are_those_of_the_host),
		cmocka_unit_test(short_buffers_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
