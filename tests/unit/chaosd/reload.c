/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings that change while VMs run, on the fake hypervisor. */
#include "tests/unit/engine/engine_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/chaosd/reload.h"

static struct settings now;

static void read_into(struct settings *c, const char *text)
{
	char path[] = "/tmp/chaos-reload-XXXXXX";
	struct err e = {0};
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
	assert_int_equal(settings_init(c, NULL), 0);
	if (settings_read(c, path, false, &e) < 0)
		fail_msg("%s", e.msg);
	(void)unlink(path);
}

static void reload(const char *text)
{
	struct settings fresh;

	read_into(&fresh, text);
	reload_settings(en, &now, &fresh);
	settings_clear(&fresh);
}

struct found {
	uint32_t n, high, ready;
};

static void count(const struct pool_flavor *f, void *arg)
{
	struct found *to = arg;

	to->n++;
	to->high += f->high;
	to->ready += f->ready;
}

static struct found pool(void)
{
	struct found f = {0};

	pool_for_each(en, count, &f);
	return f;
}

static void fill(uint32_t ready)
{
	until(pool().ready == ready);
}

static void the_pool_is_what_the_settings_say(void **state)
{
	struct pool_flavor f = {.type = DOM_PV, .vcpus = 1, .mem_kib = 512, .low = 1, .high = 1};
	struct fake_count n;

	(void)state;
	read_into(&now,
		  "pool = [\"type=pv memory=256K count=2\", \"type=pvh memory=256K count=1\"]");
	reload_pool(en, &now.pool);
	assert_int_equal(now.pool.n, 2);
	assert_int_equal(pool_set(en, &f, NULL), 0); /* a client's */
	fill(4);
	/* the same again: no shell goes */
	fake_count(&n);
	reload("pool = [\"type=pv memory=256K count=2\", \"type=pvh memory=256K count=1\"]");
	assert_int_equal(pool().ready, 4);
	/* one changes, one goes, the client's stays */
	reload("pool = [\"type=pv memory=256K count=3\"]");
	assert_int_equal(pool().n, 2);
	fill(4);
	assert_int_equal(pool().high, 4);
	/* one that is refused is logged; the others are taken */
	reload("pool = [\"type=pv memory=2G count=3\", \"type=pvh memory=1M count=1\"]");
	assert_int_equal(pool().n, 2);
	/* less memory: shells go at once, and as many come as may be */
	reload("pool_memory = \"512K\"\npool = [\"type=pvh memory=1M count=1\"]");
	fill(1);
	settings_clear(&now);
}

/* Its snapshot is missing: the daemon starts, and a reload tries it again. */
static void a_flavor_that_fails_is_left_out(void **state)
{
	(void)state;
	read_into(&now, "pool = [\"from=none count=2\", \"type=pvh memory=256K count=1\"]");
	reload_pool(en, &now.pool);
	assert_int_equal(now.pool.n, 1);
	assert_string_equal(now.pool.item[0], "type=pvh memory=256K count=1");
	fill(1);
	reload("pool = [\"from=none count=2\", \"type=pvh memory=256K count=1\"]");
	assert_int_equal(pool().n, 1);
	settings_clear(&now);
}

static void what_cannot_change_stays(void **state)
{
	char *socket;

	(void)state;
	read_into(&now, "history = 4\n");
	socket = now.socket;
	for (int i = 0; i < 4; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "v%d", i);
		assert_int_equal(vm_destroy(create(guest(name, DOM_PV, 256), 0).vm, NULL), 0);
	}
	settle(0);
	reload("socket = \"/elsewhere\"\nstore = \"beside\"\nhistory = 1\nlog_level = \"error\"\n"
	       "console_log_kib = 64\n");
	assert_ptr_equal(now.socket, socket);
	assert_int_equal(now.store, STORE_AUTO);
	assert_int_equal(now.history, 1);
	assert_int_equal(now.console_log_kib, 64);
	until(!engine_find(en, "v2"));
	assert_null(engine_find(en, "v0"));
	assert_non_null(engine_find(en, "v3"));
	settings_clear(&now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(the_pool_is_what_the_settings_say),
		LIFE(a_flavor_that_fails_is_left_out),
		LIFE(what_cannot_change_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
