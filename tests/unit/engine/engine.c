/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine on the fake hypervisor: lives of VMs. */
#include "tests/unit/engine/engine_help.h"

#include <xen/sched.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "noxs/include/noxs/abi.h"
#include "split-toolstack/engine/guest/guest_test.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"

/* --- lives --- */

static void lives_and_dies(void **state)
{
	struct result r = create(guest("web", DOM_PV, 256), 0);
	struct vm_info i;

	(void)state;
	assert_int_equal(r.rc, 0);
	vm_get_info(r.vm, &i);
	assert_string_equal(i.name, "web");
	assert_int_equal(i.state, VM_RUNNING);
	assert_ptr_equal(engine_find(en, "web"), r.vm);
	fake_end(i.domid, SHUTDOWN_crash);
	settle(0);
	vm_get_info(r.vm, &i);
	assert_int_equal(i.state, VM_ENDED);
	assert_int_equal(i.reason, VM_REASON_CRASH);
	only_the_daemon_is_left();
	assert_ptr_equal(engine_find(en, "web"), r.vm);		       /* history */
	assert_int_equal(create(guest("web", DOM_PVH, 256), 0).rc, 0); /* ... blocks no name */
	assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
	settle(0);
	only_the_daemon_is_left();
}

static void names_are_checked(void **state)
{
	struct result r = create(guest("web", DOM_PV, 256), 0);

	(void)state;
	assert_int_equal(r.rc, 0);
	r = create(guest("web", DOM_PV, 256), 0);
	assert_int_equal(r.rc, -EEXIST);
	assert_non_null(strstr(r.err.msg, "\"web\""));
	r = create(guest("17", DOM_PV, 256), 0);
	assert_int_equal(r.rc, -EINVAL);
	r = create(guest("a b", DOM_PV, 256), 0);
	assert_int_equal(r.rc, -EINVAL);
	r = create(guest("", DOM_PV, 256), 0);
	assert_int_equal(r.rc, 0);
	assert_memory_equal(vm_name(r.vm), "vm-", 3);
	assert_int_equal(vm_rename(r.vm, "web", &r.err), -EEXIST);
	assert_int_equal(vm_rename(r.vm, "other", &r.err), 0);
	assert_ptr_equal(engine_find(en, "other"), r.vm);
}

static void refusals_name_the_reason(void **state)
{
	struct vm_config c = guest("small", DOM_PV, 16);
	struct result r = create(c, 0);

	(void)state;
	assert_int_equal(r.rc, -EINVAL);
	assert_non_null(strstr(r.err.msg, "16 KiB is too small"));
	c = guest("none", DOM_PV, 256);
	free(c.kernel);
	c.kernel = strdup("/nonexistent/kernel");
	r = create(c, 0);
	assert_int_equal(r.rc, -ENOENT);
	assert_non_null(strstr(r.err.msg, "/nonexistent/kernel"));
	fake_set_free(10);
	r = create(guest("big", DOM_PV, 256), 0);
	assert_int_equal(r.rc, -ENOMEM);
	assert_non_null(strstr(r.err.msg, "not enough memory"));
	r = create(guest("huge", DOM_PVH, 1u << 20), 0);
	assert_int_equal(r.rc, -ENOMEM);
	only_the_daemon_is_left();
	assert_null(engine_find(en, "small"));
	assert_null(engine_find(en, "big"));
}

static void restarts_when_told(void **state)
{
	struct vm_config c = guest("web", DOM_PV, 256);
	struct vm_info i;
	struct result r;

	(void)state;
	c.on_crash = VM_PRESERVE;
	r = create(c, 0);
	vm_get_info(r.vm, &i);
	fake_end(i.domid, SHUTDOWN_crash);
	until(vm_state(r.vm) != VM_RUNNING);
	vm_get_info(r.vm, &i);
	assert_int_equal(i.state, VM_ENDED_PRESERVED);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	c = guest("again", DOM_PV, 256);
	r = create(c, 0);
	vm_get_info(r.vm, &i);
	fake_end(i.domid, SHUTDOWN_reboot);
	until(vm_state(r.vm) == VM_BUILDING);
	until(vm_state(r.vm) == VM_RUNNING); /* it was alive for less than a second */
	vm_get_info(r.vm, &i);
	assert_int_equal(i.restarts, 1);
	assert_string_equal(i.name, "again");
}

/* The id of its last domain may be another VM's by the time that a restart fails. */
static void a_failed_restart_ends_nobody_else(void **state)
{
	char path[] = "/tmp/chaos-restart-XXXXXX";
	struct vm_config c = guest("gone", DOM_PV, 256);
	char command[128];
	struct vm_info i;
	struct vm_info other;
	struct fake_count n;
	struct result r;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	(void)snprintf(command, sizeof(command), "cp %s %s", c.kernel, path);
	assert_int_equal(system(command), 0);
	free(c.kernel);
	c.kernel = strdup(path);
	r = create(c, 0);
	assert_int_equal(r.rc, 0);
	vm_get_info(r.vm, &i);
	assert_int_equal(unlink(path), 0);
	fake_end(i.domid, SHUTDOWN_reboot);
	settle(0); /* lived for less than a second: it waits for its restart */
	until(ports_reserved() == free_slots());
	vm_get_info(create(guest("other", DOM_PV, 256), 0).vm, &other);
	assert_int_equal(other.domid, i.domid);
	until(vm_state(r.vm) == VM_ENDED);
	turn(NULL);
	fake_count(&n);
	assert_int_equal(n.domains, 1);
}

static void vanished_domains_are_noticed(void **state)
{
	struct result r = create(guest("web", DOM_PVH, 256), 0);
	struct vm_info i;

	(void)state;
	vm_get_info(r.vm, &i);
	fake_vanish(i.domid);
	until(vm_state(r.vm) == VM_ENDED);
	vm_get_info(r.vm, &i);
	assert_int_equal(i.reason, VM_REASON_LOST);
}

/* Its domain went behind the daemon's back, and the id is another toolstack's by the time that the
 * VM is destroyed, or its end noticed. */
static void ids_of_others_are_left_alone(void **state)
{
	(void)state;
	for (int noticed = 0; noticed < 2; noticed++) {
		struct err e = {0};
		struct vm *vm = create(guest("web", DOM_PV, 256), 0).vm;
		struct xen_domain_config other = {.domid = vm_domid(vm), .max_vcpus = 1};
		struct xen_domain_info info;
		struct xen *x = engine_xen(en);
		uint32_t id;

		xen_unmap(x, vm_map(vm), 2); /* else Xen would keep the id from others */
		(void)vm_take_map(vm);
		control_test_lose_page(vm);
		fake_vanish(other.domid);
		assert_int_equal(xen_domain_create(x, &other, &id), 0);
		assert_int_equal(vm_pause(vm, &e), -ESRCH);
		life_go(vm, NOW_PAUSED);
		assert_int_equal(vm_unpause(vm, &e), -ESRCH);
		life_go(vm, NOW_RUNNING);
		if (noticed)
			until(vm_state(vm) != VM_RUNNING);
		else
			assert_int_equal(vm_destroy(vm, NULL), 0);
		settle(1);
		assert_int_equal(vm_state(vm), VM_ENDED);
		assert_int_equal(xen_domain_unpause(x, id), 0);
		assert_int_equal(xen_domain_info(x, id, &info), 0);
		assert_memory_equal(info.uuid, other.uuid, 16);
		assert_false(info.paused); /* it was paused once: by its creation */
		assert_int_equal(xen_domain_destroy(x, id, other.uuid), 0);
		assert_int_equal(vm_rm(vm, NULL), 0);
	}
}

static void history_is_bounded(void **state)
{
	uint32_t n = 0;

	(void)state;
	for (int i = 0; i < 10; i++) {
		char name[16];
		struct result r;

		(void)snprintf(name, sizeof(name), "vm%d", i);
		r = create(guest(name, DOM_PV, 256), 0);
		assert_int_equal(r.rc, 0);
		assert_int_equal(vm_destroy(r.vm, NULL), 0);
	}
	for (int i = 0; i < 100; i++) /* trimmed when there is nothing else to do */
		tick();
	for (int i = 0; i < 10; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "vm%d", i);
		n += engine_find(en, name) != NULL;
	}
	assert_int_equal(n, 4);
	assert_non_null(engine_find(en, "vm9"));
	assert_int_equal(vm_rm(engine_find(en, "vm9"), NULL), 0);
	assert_null(engine_find(en, "vm9"));
}

/* --- the console across the death of the daemon --- */

static void guest_says(uint32_t domid, const char *text)
{
	/* noop with 256 KiB: tables, device page, control page from the top down */
	struct noxs_control *c = fake_page(domid, 58);

	assert_non_null(c);
	for (; *text; text++)
		c->console_out[c->out_prod++ % NOXS_CONSOLE_OUT_SIZE] = (uint8_t)*text;
}

static void is_adopted(void **state)
{
	struct result r = create(guest("web", DOM_PV, 256), 0);
	struct vm_console_range range;
	struct engine_conf c = conf();
	struct engine *old = en;
	struct vm_info i;
	char text[64];
	struct vm *vm;

	(void)state;
	vm_get_info(r.vm, &i);
	guest_says(i.domid, "one ");
	fake_event(i.domid);
	turn(NULL);
	guest_says(i.domid, "two"); /* nobody takes it any more */
	engine_close(old);
	assert_int_equal(engine_open(loop, &c, &en, &r.err), 0);
	vm = engine_find(en, "web");
	assert_non_null(vm);
	vm_get_info(vm, &i);
	assert_int_equal(i.state, VM_RUNNING);
	vm_console_range(vm, &range);
	assert_int_equal(range.end, 7);
	assert_int_equal(vm_console_read(vm, 0, text, sizeof(text), NULL), 7);
	assert_memory_equal(text, "one two", 7);
	fake_end(i.domid, SHUTDOWN_poweroff);
	settle(0);
	vm_get_info(vm, &i);
	assert_int_equal(i.reason, VM_REASON_POWEROFF);
	only_the_daemon_is_left();
}

static void console_log_is_bounded(void **state)
{
	struct result r = create(guest("web", DOM_PV, 256), 0);
	struct vm_console_range range;
	struct vm_info i;
	char text[64];

	(void)state;
	vm_get_info(r.vm, &i);
	for (int n = 0; n < 1000; n++) {
		char line[64];

		(void)snprintf(line, sizeof(line), "line %05d, which is 32 bytes long\n", n);
		guest_says(i.domid, line);
		fake_event(i.domid);
		do { /* a storm of events waits for fresh credit */
			turn(NULL);
			vm_console_range(r.vm, &range);
		} while (range.end < (uint64_t)(n + 1) * 35);
	}
	assert_int_equal(range.end, 35000);
	assert_int_equal(range.end - range.start, 16384);
	assert_int_equal(vm_console_read(r.vm, range.end - 35, text, sizeof(text), NULL), 35);
	assert_memory_equal(text, "line 00999", 10);
	assert_int_equal(vm_console_read(r.vm, 0, text, sizeof(text), NULL), -ERANGE);
}

/* One that is not ours has a view; nobody has connected to it here. */
static void views_come_and_go(void **state)
{
	struct vm_config c = guest("view", DOM_PVH, 4096);
	struct result r;
	struct err e = {0};

	(void)state;
	free(c.kernel);
	c.kernel = strdup(GUEST_VIEW);
	r = create(c, 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(vm_shutdown(r.vm, false, &e), -EOPNOTSUPP);
	assert_non_null(strstr(err_msg(&e), "cannot receive requests"));
	assert_int_equal(vm_rename(r.vm, "other", NULL), 0);
	engine_close(en); /* and is adopted, with its channel */
	fake_process_died();
	{
		struct engine_conf again = conf();

		assert_int_equal(engine_open(loop, &again, &en, NULL), 0);
	}
	assert_non_null(engine_find(en, "other"));
	assert_int_equal(vm_shutdown(engine_find(en, "other"), false, &e), -EOPNOTSUPP);
	assert_int_equal(vm_destroy(engine_find(en, "other"), NULL), 0);
	settle(0);
	only_the_daemon_is_left();
}

/* --- ids and lists --- */

#define TOP 0x7fefu

static void ids_of_others_come_back(void **state)
{
	struct xen_domain_config other = {.domid = TOP, .max_vcpus = 1};
	struct engine_conf c = conf();
	bool seen = false;
	struct xen *x;
	uint32_t id;

	(void)state;
	engine_close(en);
	assert_int_equal(xen_open(&x, NULL), 0);
	assert_int_equal(xen_domain_create(x, &other, &id), 0);
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	assert_int_equal(vm_domid(create(guest("a", DOM_PV, 256), 0).vm), TOP - 1);
	turn(NULL);
	assert_int_equal(xen_domain_destroy(x, TOP, other.uuid), 0);
	xen_close(x);
	for (int i = 0; i < 240 && !seen; i++) {
		char name[8];
		struct result r;

		/* Idle times. How many it takes to look again depends on how long the last look
		 * took. */
		for (int k = 0; i % 24 == 0 && k < 300; k++)
			tick();
		(void)snprintf(name, sizeof(name), "b%d", i);
		r = create(guest(name, DOM_PV, 256), 0);
		assert_int_equal(r.rc, 0);
		seen = vm_domid(r.vm) == TOP;
		turn(NULL);
	}
	assert_true(seen);
	/* Once: what was given away is not found again. */
	for (int i = 0; i < 12; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "c%d", i);
		assert_int_equal(create(guest(name, DOM_PV, 256), 0).rc, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(ids_of_others_come_back),
		LIFE(lives_and_dies),
		LIFE(names_are_checked),
		LIFE(refusals_name_the_reason),
		LIFE(restarts_when_told),
		LIFE(a_failed_restart_ends_nobody_else),
		LIFE(vanished_domains_are_noticed),
		LIFE(ids_of_others_are_left_alone),
		LIFE(history_is_bounded),
		LIFE(is_adopted),
		LIFE(console_log_is_bounded),
		LIFE(views_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
