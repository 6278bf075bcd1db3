/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VM has of its earlier lives: the history of its uuid, and a console log that goes on. */
#include "tests/unit/engine/engine_help.h"

#include <xen/sched.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "noxs/include/noxs/abi.h"
#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/guest_test.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

static void guest_says(const struct vm *vm, const char *text)
{
	/* noop with 256 KiB: tables, device page, control page from the top down */
	struct noxs_control *c = fake_page(vm_domid(vm), 58);

	assert_non_null(c);
	for (; *text; text++)
		c->console_out[c->out_prod++ % NOXS_CONSOLE_OUT_SIZE] = (uint8_t)*text;
	fake_event(vm_domid(vm));
	turn(NULL);
}

static void log_is(struct vm *vm, const char *text)
{
	struct vm_console_range range;
	char got[256];

	vm_console_range(vm, &range);
	assert_int_equal(range.start, 0);
	assert_int_equal(range.end, strlen(text));
	assert_int_equal(vm_console_read(vm, 0, got, sizeof(got), NULL), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static struct vm_config same(const char *name)
{
	struct vm_config c = guest(name, DOM_PV, 256);

	memset(c.uuid, 7, sizeof(c.uuid));
	c.have_uuid = true;
	return c;
}

static struct vm *of_same(void)
{
	uint8_t uuid[16];

	memset(uuid, 7, sizeof(uuid));
	return engine_find_uuid(en, uuid);
}

static void open_again(void)
{
	struct engine_conf c = conf();
	struct err e = {0};

	engine_close(en);
	if (engine_open(loop, &c, &en, &e) < 0)
		fail_msg("%s", e.msg);
}

/* One that said "one " and then crashed. */
static void has_lived(void)
{
	struct vm *vm = create(same("old"), 0).vm;

	assert_non_null(vm);
	guest_says(vm, "one ");
	fake_end(vm_domid(vm), SHUTDOWN_crash);
	settle(0);
	assert_int_equal(vm_state(of_same()), VM_ENDED);
}

static void it_is_as_it_was(void)
{
	int code;

	for (int again = 0; again < 2; again++) {
		assert_string_equal(vm_name(of_same()), "old");
		assert_int_equal(vm_state(of_same()), VM_ENDED);
		assert_int_equal(vm_reason(of_same(), &code), VM_REASON_CRASH);
		assert_ptr_equal(engine_find(en, "old"), of_same());
		log_is(of_same(), "one ");
		open_again();
	}
	assert_int_equal(vms_ended_count(en), 1);
}

static void the_log_goes_on(void **state)
{
	struct vm *vm;

	(void)state;
	has_lived();
	vm = create(same("new"), 0).vm;
	assert_non_null(vm);
	log_is(vm, "one ");
	guest_says(vm, "two");
	log_is(vm, "one two");
	assert_null(vms_ended(en)); /* one uuid, one VM */
	assert_null(engine_find(en, "old"));
	open_again();
	log_is(of_same(), "one two");
	assert_int_equal(vm_destroy(of_same(), NULL), 0);
	settle(0);
	assert_int_equal(vms_ended_count(en), 1);
	log_is(of_same(), "one two");
	assert_int_equal(vm_rm(of_same(), NULL), 0);
	assert_null(of_same());
	open_again();
	assert_null(of_same());
}

static void a_failed_create_leaves_history(void **state)
{
	struct vm_config c;
	uint32_t nth;

	(void)state;
	has_lived();
	c = same("new");
	free(c.kernel);
	c.kernel = strdup("/nonexistent/kernel");
	assert_int_equal(create(c, 0).rc, -ENOENT);
	it_is_as_it_was();
	c = same("new");
	c.mem_kib = 16; /* too small: found out while it is built */
	assert_int_equal(create(c, 0).rc, -EINVAL);
	it_is_as_it_was();
	for (nth = 1;; nth++) {
		struct result r;

		fake_fail_at(nth, ENOMEM);
		r = create(same("new"), 0);
		if (r.rc == 0 && !fake_failed())
			break;
		fake_fail_at(0, 0);
		if (r.rc == 0) { /* a call that may fail: it lives, and is the past from now on */
			assert_int_equal(vm_destroy(r.vm, NULL), 0);
			settle(0);
			assert_int_equal(vm_rm(of_same(), NULL), 0);
			has_lived();
		}
		settle(0);
		if (nth % 8 == 0)
			it_is_as_it_was();
		assert_int_equal(vms_ended_count(en), 1);
		log_is(of_same(), "one ");
	}
	assert_true(nth > 8);
	fake_fail_at(0, 0);
	guest_says(of_same(), "two");
	log_is(of_same(), "one two");
}

/* What is forgotten while its uuid lives again takes nothing along. */
static void the_old_one_can_be_forgotten(void **state)
{
	struct vm_config c = same("new");
	struct result r = {0};

	(void)state;
	has_lived();
	c.mem_kib = 32768; /* is built on the worker */
	engine_create(en, &c, 0, ignore_created, &r);
	assert_int_equal(vm_state(of_same()), VM_BUILDING);
	assert_int_equal(vm_rm(engine_find(en, "old"), NULL), 0);
	while (vm_state(of_same()) == VM_BUILDING)
		turn(NULL);
	assert_int_equal(vm_state(of_same()), VM_RUNNING);
	log_is(of_same(), "one ");
	assert_int_equal(vm_destroy(of_same(), NULL), 0);
	settle(0);
	/* And the other way round: the new one ends before it has run. */
	c = same("new");
	c.mem_kib = 32768;
	engine_create(en, &c, 0, ignore_created, &r);
	assert_int_equal(vm_destroy(of_same(), NULL), 0);
	while (memory_builds(en) || images_busy(engine_images(en)))
		turn(NULL);
	settle(0);
	assert_int_equal(vms_ended_count(en), 1);
	open_again();
	assert_int_equal(vms_ended_count(en), 1);
	log_is(of_same(), "one ");
}

/* --- a log that cannot be written --- */

static void a_full_disk_breaks_no_console(void **state)
{
	struct vm *vm = create(guest("web", DOM_PV, 256), 0).vm;
	int full = open("/dev/full", O_RDWR | O_CLOEXEC);
	int real;

	(void)state;
	assert_true(full >= 0);
	guest_says(vm, "one ");
	log_is(vm, "one ");
	real = console_test_swap(vm, full);
	for (uint32_t n = 0; n <= NOXS_CONSOLE_OUT_SIZE; n += 64) /* more than the ring holds */
		guest_says(vm, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	assert_false(console_test_broken(vm));
	assert_int_equal(console_log_end(vm), 4);
	assert_int_equal(close(real), 0);
	open_again();
	vm = engine_find(en, "web");
	assert_false(console_test_broken(vm));
	guest_says(vm, "two");
	assert_false(console_test_broken(vm));
	log_is(vm, "one two");
}

/* What the ring still has is not lost. */
static void the_ring_keeps_what_the_log_could_not(void **state)
{
	struct vm *vm = create(guest("web", DOM_PV, 256), 0).vm;
	int full;
	int real;

	(void)state;
	guest_says(vm, "one ");
	full = open("/dev/full", O_RDWR | O_CLOEXEC);
	assert_true(full >= 0);
	real = console_test_swap(vm, full);
	guest_says(vm, "two ");
	assert_int_equal(close(real), 0);
	open_again();
	vm = engine_find(en, "web");
	guest_says(vm, "three");
	log_is(vm, "one two three");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(the_log_goes_on),
		LIFE(a_failed_create_leaves_history),
		LIFE(the_old_one_can_be_forgotten),
		LIFE(a_full_disk_breaks_no_console),
		LIFE(the_ring_keeps_what_the_log_could_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
