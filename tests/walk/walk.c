/* SPDX-License-Identifier: BSD-3-Clause */
/* A create on the fake hypervisor whose calls are written down: for tools/walk, which builds this
 * and all else with -finstrument-functions. Prints the addresses of the functions in the order in
 * which they were called on the loop's thread, as offsets in the program. */
#include "tests/unit/engine/engine_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLAIN	  __attribute__((no_instrument_function))
#define CALLS_MAX 100000u

extern const char __executable_start[];
static void *calls[CALLS_MAX];
static size_t ncalls;
static _Thread_local bool walking;

PLAIN void __cyg_profile_func_enter(void *function, void *caller);
PLAIN void __cyg_profile_func_exit(void *function, void *caller);

void __cyg_profile_func_enter(void *function, void *caller)
{
	(void)caller;
	if (walking && ncalls < CALLS_MAX)
		calls[ncalls++] = function;
}

void __cyg_profile_func_exit(void *function, void *caller)
{
	(void)function;
	(void)caller;
}

static bool answered;

PLAIN static void on_created(void *arg, int rc, struct vm *vm, const struct vm_timings *t,
			     const struct err *e)
{
	(void)arg;
	(void)vm;
	(void)t;
	walking = false;
	answered = true;
	if (rc < 0) {
		(void)fprintf(stderr, "walk: the create has failed: %s\n", err_msg(e));
		exit(1);
	}
}

/* Until the client would have its answer. */
PLAIN static void walk(struct vm_config c)
{
	answered = false;
	walking = true;
	engine_create(en, &c, 0, on_created, NULL);
	while (!answered)
		(void)ev_run(loop, EVRUN_ONCE);
	walking = false;
}

PLAIN static void way(void **state)
{
	const char *pool = getenv("WALK_POOL");
	struct pool_flavor f = {.type = DOM_PV, .vcpus = 1, .mem_kib = 256, .low = 1, .high = 1};

	(void)state;
	assert_int_equal(create(guest("first", DOM_PV, 256), 0).rc, 0); /* tables are allocated */
	if (pool) {
		assert_int_equal(pool_set(en, &f, NULL), 0);
		while (pool_ready() == 0)
			(void)ev_run(loop, EVRUN_ONCE);
	}
	walk(guest("second", DOM_PV, 256));
	for (size_t i = 0; i < ncalls; i++)
		(void)printf("0x%zx\n", (size_t)((const char *)calls[i] - __executable_start));
}

int main(void)
{
	const struct CMUnitTest tests[] = {LIFE(way)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
