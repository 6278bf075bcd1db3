/* SPDX-License-Identifier: BSD-3-Clause */
/* The tail guard: its settings are made, recorded, shown and put back, whatever fails. */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOCK "none (voluntary) full\n"

static char preempt[160], record[160];

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	(void)fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *path, const char *text)
{
	char have[256] = "";
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	(void)!fread(have, 1, sizeof(have) - 1, f);
	(void)fclose(f);
	assert_string_equal(have, text);
}

/* The kernel's file keeps its length; a plain one holds what was written at its start. */
static void stock(void)
{
	const struct fake_sched s = {.ratelimit_us = 1000, .dom0_weight = 256};

	fake_sched_set(&s);
	write_file(preempt, STOCK);
}

static void assert_sched(uint32_t ratelimit_us, uint32_t weight)
{
	struct fake_sched s;

	fake_sched_get(&s);
	assert_int_equal(s.ratelimit_us, ratelimit_us);
	assert_int_equal(s.dom0_weight, weight);
}

static int reopen(enum tail_guard mode, struct err *e)
{
	struct engine_conf c = conf();

	c.tail_guard = mode;
	c.preempt_file = preempt;
	engine_close(en);
	en = NULL;
	return engine_open(loop, &c, &en, e);
}

static int open_as(enum tail_guard mode)
{
	struct err e = {0};

	return reopen(mode, &e);
}

/* As after a kill: nothing was put back. */
static void leave_behind(const char *text, uint32_t ratelimit_us, uint32_t weight)
{
	const struct fake_sched s = {.ratelimit_us = ratelimit_us, .dom0_weight = weight};

	engine_close(en);
	en = NULL;
	write_file(record, text);
	fake_sched_set(&s);
}

static int setup_tail(void **state)
{
	int rc = setup(state);
	struct engine_conf c = conf();

	(void)snprintf(preempt, sizeof(preempt), "%s/preempt", c.cache_dir);
	(void)snprintf(record, sizeof(record), "%s/tail_guard", c.run_dir);
	stock();
	return rc;
}

static void settings_are_made_and_put_back(void **state)
{
	struct engine_host h;
	struct err e = {0};

	(void)state;
	assert_int_equal(engine_host(en, &h, &e), 0);
	assert_string_equal(h.tail_guard, "off");
	assert_int_equal(open_as(TAIL_ON), 0);
	assert_sched(100, 2048);
	assert_file(preempt, "full (voluntary) full\n");
	assert_file(record,
		    "preempt voluntary full\nratelimit_us 1000 100\ndom0_weight 256 2048\n");
	assert_int_equal(engine_host(en, &h, &e), 0);
	assert_non_null(strstr(h.tail_guard, "preempt full (was voluntary), ratelimit_us 100 (was "
					     "1000), dom0_weight 2048 (was 256)"));
	write_file(preempt, "none voluntary (full)\n"); /* as the kernel shows it */
	assert_int_equal(open_as(TAIL_OFF), 0);
	assert_sched(1000, 256);
	assert_file(preempt, "voluntaryntary (full)\n");
	assert_int_equal(access(record, F_OK), -1);
}

static void what_is_good_enough_is_left(void **state)
{
	const struct fake_sched s = {.ratelimit_us = 0, .dom0_weight = 9000};

	(void)state;
	fake_sched_set(&s);
	write_file(preempt, "none voluntary (full)\n");
	assert_int_equal(open_as(TAIL_ON), 0);
	assert_sched(0, 9000);
	assert_int_equal(open_as(TAIL_OFF), 0);
	assert_sched(0, 9000);
	assert_file(preempt, "none voluntary (full)\n");
}

static void a_killed_one_is_put_back(void **state)
{
	(void)state;
	leave_behind("preempt voluntary full\nratelimit_us 1000 100\ndom0_weight 256 2048\n", 100,
		     2048);
	write_file(preempt, "none voluntary (full)\n");
	assert_int_equal(open_as(TAIL_OFF), 0);
	assert_sched(1000, 256);
	assert_file(preempt, "voluntaryntary (full)\n");
	assert_int_equal(access(record, F_OK), -1);
}

/* The next one's own old values are those of before the first. */
static void a_killed_one_is_followed(void **state)
{
	(void)state;
	leave_behind("ratelimit_us 500 100\ndom0_weight 300 2048\n", 100, 2048);
	assert_int_equal(open_as(TAIL_AUTO), 0);
	assert_sched(100, 2048);
	assert_file(record, "preempt voluntary full\nratelimit_us 500 100\ndom0_weight 300 2048\n");
	/* nothing is put back in between; what was changed meanwhile is made again */
	leave_behind("preempt voluntary full\nratelimit_us 500 100\ndom0_weight 300 2048\n", 700,
		     2048);
	write_file(preempt, "none voluntary (full)\n");
	assert_int_equal(open_as(TAIL_AUTO), 0);
	assert_sched(100, 2048);
	assert_file(preempt, "none voluntary (full)\n");
	assert_file(record, "preempt voluntary full\nratelimit_us 700 100\ndom0_weight 300 2048\n");
	assert_int_equal(open_as(TAIL_OFF), 0);
	assert_sched(700, 300);
	assert_file(preempt, "voluntaryntary (full)\n");
}

static void what_others_changed_is_left(void **state)
{
	const struct fake_sched s = {.ratelimit_us = 2000, .dom0_weight = 2048};

	(void)state;
	assert_int_equal(open_as(TAIL_AUTO), 0);
	fake_sched_set(&s);
	assert_int_equal(open_as(TAIL_OFF), 0);
	assert_sched(2000, 256);
	leave_behind("ratelimit_us 1000 100\ndom0_weight 256 2048\nnonsense\n", 700, 2048);
	assert_int_equal(open_as(TAIL_OFF), 0);
	assert_sched(700, 256);
}

static void what_cannot_be_set_is_said(void **state)
{
	const struct fake_sched other = {.ratelimit_us = 1000, .dom0_weight = 256, .other = 1};
	struct engine_host h;
	struct err e = {0};

	(void)state;
	fake_sched_set(&other);
	(void)unlink(preempt);
	assert_int_equal(open_as(TAIL_AUTO), 0);
	assert_int_equal(engine_host(en, &h, &e), 0);
	assert_non_null(strstr(h.tail_guard, "preempt not set (No such file"));
	assert_non_null(strstr(h.tail_guard, "ratelimit_us not set (Function not implemented)"));
	assert_sched(1000, 256);
	write_file(preempt, STOCK);
	e = (struct err){0};
	assert_int_equal(reopen(TAIL_ON, &e), -ENOSYS);
	assert_non_null(strstr(e.msg, "ratelimit_us cannot be set to 100"));
	assert_sched(1000, 256);
	assert_file(preempt, "full (voluntary) full\n"); /* a plain file: see below */
	stock();
	assert_int_equal(open_as(TAIL_ON), 0);
}

/* Without a record nothing would put the old values back after a kill. */
static void nothing_is_made_without_a_record(void **state)
{
	char path[200];
	struct err e = {0};

	(void)state;
	(void)snprintf(path, sizeof(path), "%s.new", record);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(open_as(TAIL_AUTO), 0);
	assert_sched(1000, 256);
	assert_file(preempt, STOCK);
	assert_int_equal(reopen(TAIL_ON, &e), -EISDIR);
	assert_sched(1000, 256);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(open_as(TAIL_OFF), 0);
}

/* Whichever call fails while it opens: once it is closed, or has failed, all is as before. */
static void all_is_as_before_whatever_fails(void **state)
{
	uint32_t total;

	(void)state;
	fake_fail_at(0, 0);
	assert_int_equal(open_as(TAIL_AUTO), 0);
	total = fake_calls();
	for (enum tail_guard mode = TAIL_AUTO; mode <= TAIL_ON; mode++) {
		for (uint32_t nth = 1; nth <= total; nth++) {
			assert_int_equal(open_as(TAIL_OFF), 0);
			stock();
			engine_close(en);
			en = NULL;
			fake_fail_at(nth, EPERM);
			(void)open_as(mode);
			fake_fail_at(0, 0);
			engine_close(en);
			en = NULL;
			assert_sched(1000, 256);
			assert_int_equal(access(record, F_OK), -1);
		}
	}
	assert_int_equal(open_as(TAIL_OFF), 0);
}

#define TAIL(f) cmocka_unit_test_setup_teardown(f, setup_tail, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TAIL(settings_are_made_and_put_back),	TAIL(what_is_good_enough_is_left),
		TAIL(a_killed_one_is_put_back),		TAIL(a_killed_one_is_followed),
		TAIL(what_others_changed_is_left),	TAIL(what_cannot_be_set_is_said),
		TAIL(nothing_is_made_without_a_record), TAIL(all_is_as_before_whatever_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
