/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry when the daemon dies at any moment: what was recorded last is what counts. */
#include "tests/unit/engine/engine_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/uuid.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/parts/parts_test.h"
#include "split-toolstack/engine/registry/recent.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/vm_test.h"
#include "split-toolstack/engine/vm/vms.h"

#define SLOT_BYTES 1024 /* recent.c: a header, then slots */
#define LONG_TEXT  3000

static uint32_t living(void)
{
	uint32_t n = 0;

	for (struct vm *vm = vms_alive(en); vm; vm = vm_next(vm))
		n++;
	return n;
}

static void death_loses_nothing(void **state)
{
	struct vm_info i;

	(void)state;
	(void)create(guest("one", DOM_PV, 256), 0);
	(void)create(guest("two", DOM_PV, 256), 0);
	(void)create(guest("three", DOM_PV, 256), 0);
	assert_int_equal(vm_pause(engine_find(en, "two"), NULL), 0);
	assert_int_equal(vm_destroy(engine_find(en, "three"), NULL), 0);
	daemon_dies();
	daemon_starts();
	assert_int_equal(living(), 2);
	vm_get_info(engine_find(en, "one"), &i);
	assert_int_equal(i.state, VM_RUNNING);
	vm_get_info(engine_find(en, "two"), &i);
	assert_int_equal(i.state, VM_PAUSED);
	vm_get_info(engine_find(en, "three"), &i);
	assert_int_equal(i.state, VM_ENDED);
	assert_int_equal(i.reason, VM_REASON_DESTROYED);
	settle(2);
	assert_int_equal(vm_rm(engine_find(en, "three"), NULL), 0);
	daemon_dies();
	daemon_starts();
	assert_null(engine_find(en, "three"));
	assert_int_equal(living(), 2);
}

/* A record that grows out of its slot, and back. */
static void youngest_counts(void **state)
{
	static char text[LONG_TEXT + 1];
	struct vm *vm = create(guest("web", DOM_PV, 256), 0).vm;

	(void)state;
	memset(text, 'x', LONG_TEXT);
	for (int i = 0; i < 6; i++) {
		free(vm_change_cfg(vm)->cmdline);
		text[LONG_TEXT - i] = '\0';
		vm_change_cfg(vm)->cmdline = i % 3 == 2 ? strdup("short") : strdup(text);
		assert_int_equal(vm_record(vm, NULL), 0);
		daemon_dies();
		daemon_starts();
		vm = engine_find(en, "web");
		assert_non_null(vm);
		assert_string_equal(vm_cfg(vm)->cmdline, i % 3 == 2 ? "short" : text);
	}
}

/* More than there are slots, and nobody idle. */
static void room_for_all(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) {
		struct vm *vm = vm_new(en);
		uint8_t uuid[16];
		char name[16];

		assert_non_null(vm);
		assert_int_equal(uuid_random(uuid, NULL), 0);
		(void)snprintf(name, sizeof(name), "ended%d", i);
		vm_test_make_ended(vm, name, uuid, (uint64_t)i + 1);
		assert_int_equal(vm_record(vm, NULL), 0);
		vm_free(vm);
	}
	engine_test_settings(en)->limits.history_max = 1000;
	{
		struct engine_conf c = conf();
		uint32_t n = 0;

		engine_close(en);
		c.limits.history_max = 1000;
		assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
		for (struct vm *vm = vms_ended(en); vm; vm = vm_next(vm))
			n++;
		assert_int_equal(n, 300);
	}
}

static FILE *slots(const char *mode)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/registry/recent", conf().run_dir);
	f = fopen(path, mode);
	assert_non_null(f);
	return f;
}

/* The daemon died between writing a younger record and emptying the older one's slot. */
static void younger_of_two(void **state)
{
	static uint8_t old[SLOT_BYTES];
	struct vm *vm = create(guest("web", DOM_PV, 256), VM_CREATE_PAUSED).vm;
	struct vm_info i;

	(void)state;
	for (int later = 0; later < 2; later++) {
		uint32_t bytes = 0;
		FILE *f = slots("r+");
		int at = 0;

		do { /* its slot */
			at++;
			assert_int_equal(fseek(f, (long)at * SLOT_BYTES, SEEK_SET), 0);
			assert_int_equal(fread(old, 1, SLOT_BYTES, f), SLOT_BYTES);
			memcpy(&bytes, old, sizeof(bytes));
		} while (bytes == 0);
		assert_int_equal(vm_unpause(vm, NULL), 0);
		/* into a slot before or behind the younger one */
		(void)fclose(f);
		f = slots("r+");
		assert_int_equal(fseek(f, (later ? 60L : (long)at) * SLOT_BYTES, SEEK_SET), 0);
		assert_int_equal(fwrite(old, 1, SLOT_BYTES, f), SLOT_BYTES);
		(void)fclose(f);
		daemon_dies();
		daemon_starts();
		vm = engine_find(en, "web");
		assert_non_null(vm);
		vm_get_info(vm, &i);
		assert_int_equal(i.state, VM_RUNNING);
		assert_int_equal(vm_pause(vm, NULL), 0);
	}
}

static void garbage_is_not_read(void **state)
{
	FILE *f;

	(void)state;
	(void)create(guest("web", DOM_PV, 256), 0);
	while (registry_settle(engine_registry(en)))
		;
	f = slots("w");
	for (int i = 0; i < 70000; i++)
		(void)fputc(0xa5, f);
	(void)fclose(f);
	daemon_dies();
	daemon_starts();
	assert_int_equal(living(), 1);
	f = slots("r+"); /* a header that is right, and lengths that are not */
	assert_int_equal(fseek(f, SLOT_BYTES, SEEK_SET), 0);
	for (int i = 0; i < 3 * SLOT_BYTES; i++)
		(void)fputc(0xff, f);
	(void)fclose(f);
	daemon_dies();
	daemon_starts();
	assert_int_equal(living(), 1);
}

#define BYTES_2 152 /* of the fixed part before version 3 */

/* Records of the daemons before: a shorter fixed part, one bitmap for all vCPUs. */
static void older_versions_are_read(void **state)
{
	static const char command_line[] = "of version";
	struct vm_config c = guest("old", DOM_PV, 256);
	size_t tail = strlen("old") + strlen(c.kernel) + strlen(command_line) + 1;

	(void)state;
	c.cmdline = strdup(command_line);
	c.cpus.map = malloc(1);
	assert_non_null(c.cpus.map);
	c.cpus.map[0] = 1;
	c.cpus.bytes = 1;
	c.limits = (struct dom_limits){.asked = DOM_LIMIT_GRANT_FRAMES, .grant_frames = 9};
	assert_int_equal(create(c, 0).rc, 0);
	for (uint32_t version = 3; version > 0; version--) {
		uint8_t uuid[16];
		MDB_val key = {16, uuid};
		MDB_val value;
		MDB_txn *txn;
		uint8_t old[1024];
		struct vm *vm;

		vm_uuid(engine_find(en, "old"), uuid);
		while (registry_settle(engine_registry(en)))
			;
		assert_int_equal(mdb_txn_begin(engine_registry(en)->db, NULL, 0, &txn), 0);
		assert_int_equal(mdb_get(txn, engine_registry(en)->dbi, &key, &value), 0);
		assert_true(value.mv_size > BYTES_2 + tail && value.mv_size <= sizeof(old));
		memcpy(old, value.mv_data, value.mv_size);
		if (version < 3) {
			memcpy(old, &version, sizeof(version));
			memmove(old + BYTES_2, old + value.mv_size - tail, tail);
			value.mv_size = BYTES_2 + tail;
		}
		value.mv_data = old;
		assert_int_equal(mdb_put(txn, engine_registry(en)->dbi, &key, &value, 0), 0);
		assert_int_equal(mdb_txn_commit(txn), 0);
		daemon_dies();
		daemon_starts();
		vm = engine_find(en, "old");
		assert_non_null(vm);
		assert_string_equal(vm_cfg(vm)->cmdline, command_line);
		assert_int_equal(vm_cfg(vm)->cpus.map[0], 1);
		assert_int_equal(vm_cfg(vm)->cpus.bytes, 1);
		assert_int_equal(vm_cfg(vm)->cpus.n, 0);
		assert_int_equal(vm_cfg(vm)->limits.asked,
				 version < 3 ? 0 : DOM_LIMIT_GRANT_FRAMES);
		assert_int_equal(vm_record(vm, NULL), 0); /* as today's */
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(death_loses_nothing), TEST(youngest_counts),     TEST(room_for_all),
		TEST(younger_of_two),	   TEST(garbage_is_not_read), TEST(older_versions_are_read),
	};

	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
