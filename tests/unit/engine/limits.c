/* SPDX-License-Identifier: BSD-3-Clause */
/* What a domain is made with: limits of Xen's tables, and memory that it may grow into. */
#include "tests/unit/engine/engine_help.h"
#include "tests/unit/engine/kernel_help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/engine/guest/storehost.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vm_test.h"
#include "store/store.h"

#define MEM_KIB (32u << 10)
#define MAX_KIB (96u << 10)

enum kind { OURS, OTHERS, LINUX, KINDS };

static struct vm_config of_kind(enum kind kind, enum dom_type type)
{
	struct vm_config c;

	if (kind == LINUX)
		return linux_guest("web", type, MEM_KIB);
	c = guest("web", type, MEM_KIB);
	if (kind == OTHERS) {
		free(c.kernel);
		c.kernel = strdup(GUEST_VIEW);
	}
	return c;
}

static struct vm *made(struct vm_config c, struct fake_domain *d)
{
	struct result r = create(c, 0);

	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	assert_true(fake_domain(vm_domid(r.vm), d));
	return r.vm;
}

static void gone(struct vm *vm)
{
	assert_int_equal(vm_destroy(vm, NULL), 0);
	settle(0);
	only_the_daemon_is_left();
}

static void assert_limits(const struct fake_domain *d, uint32_t frames, uint32_t maptrack,
			  uint32_t version, uint32_t ports)
{
	assert_int_equal(d->config.max_grant_frames, frames);
	assert_int_equal(d->config.max_maptrack_frames, maptrack);
	assert_int_equal(d->config.grant_version, version);
	assert_int_equal(d->config.max_evtchn_port, ports);
}

static void by_the_kind_of_image(void **state)
{
	(void)state;
	for (enum kind kind = OURS; kind < KINDS; kind++) {
		for (enum dom_type type = DOM_PV; type <= DOM_PVH; type++) {
			struct fake_domain d;
			struct vm *vm = made(of_kind(kind, type), &d);

			if (kind == OURS)
				assert_limits(&d, 4, 0, 1, 127);
			else
				assert_limits(&d, XEN_HOST_LIMIT, XEN_HOST_LIMIT, 0, 1023);
			gone(vm);
		}
	}
}

static struct dom_limits asked(void)
{
	return (struct dom_limits){.asked = DOM_LIMITS,
				   .grant_frames = 9,
				   .maptrack_frames = 0,
				   .grant_version = 2,
				   .evtchn_port = 300};
}

static void as_asked_for(void **state)
{
	(void)state;
	for (enum kind kind = OURS; kind < KINDS; kind++) {
		struct vm_config c = of_kind(kind, DOM_PV);
		struct fake_domain d;
		struct vm *vm;

		c.limits = asked();
		vm = made(c, &d);
		assert_limits(&d, 9, 0, 2, 300);
		gone(vm);
		c = of_kind(kind, DOM_PVH);
		c.limits.asked = DOM_LIMIT_MAPTRACK_FRAMES;
		c.limits.maptrack_frames = 1;
		vm = made(c, &d);
		assert_int_equal(d.config.max_maptrack_frames, 1);
		assert_int_equal(d.config.max_evtchn_port, kind == OURS ? 127 : 1023);
		gone(vm);
	}
}

static uint32_t restarts(struct vm *vm)
{
	struct vm_info i;

	vm_get_info(vm, &i);
	return i.restarts;
}

/* The next daemon knows them from the record, and restarts with them. */
static void a_restart_keeps_them(void **state)
{
	struct vm_config c = of_kind(OTHERS, DOM_PVH);
	struct engine_conf conf_now = conf();
	struct fake_domain d;
	struct vm *vm;
	uint32_t old;

	(void)state;
	c.on_poweroff = VM_RESTART;
	c.limits = asked();
	c.maxmem_kib = MAX_KIB;
	old = vm_domid(made(c, &d));
	engine_close(en);
	assert_int_equal(engine_open(loop, &conf_now, &en, NULL), 0);
	vm = engine_find(en, "web");
	assert_non_null(vm);
	assert_int_equal(vm_cfg(vm)->limits.asked, DOM_LIMITS);
	vm_test_ran(vm, 5000000000u); /* it ran for long enough to be restarted at once */
	fake_end(old, 0);
	until(restarts(vm) == 1 && vm_state(vm) == VM_RUNNING); /* under any id, the old one too */
	assert_true(fake_domain(vm_domid(vm), &d));
	assert_limits(&d, 9, 0, 2, 300);
	assert_int_equal(d.ram_kib, MAX_KIB);
}

static void shells_are_for_others(void **state)
{
	struct pool_flavor f = {
		.type = DOM_PV, .vcpus = 1, .mem_kib = MEM_KIB, .low = 1, .high = 1};
	struct vm_config c = of_kind(OURS, DOM_PV);
	struct result r;

	(void)state;
	assert_int_equal(pool_set(en, &f, NULL), 0);
	settle(1);
	c.limits.asked = DOM_LIMIT_GRANT_FRAMES;
	c.limits.grant_frames = 8;
	r = create(c, 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.way, VM_COLD);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	settle(1);
	r = create(of_kind(OURS, DOM_PV), 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.way, VM_SHELL);
}

static uint64_t told(const struct vm *vm, const char *what)
{
	char path[STORE_PATH_MAX];
	const char *text;

	(void)snprintf(path, sizeof(path), "/local/domain/%u/memory/%s", vm_domid(vm), what);
	text = store_get(engine_store(en), path, NULL);
	assert_non_null(text);
	return strtoull(text, NULL, 10);
}

/* Memory map, pages and store are of one mind, for sizes that are no whole MiB, too. */
static void room_to_grow(void **state)
{
	static const struct {
		uint64_t mem, max;
	} sizes[] = {{MEM_KIB, 0},
		     {MEM_KIB, MEM_KIB},
		     {MEM_KIB, MAX_KIB},
		     {MEM_KIB + 4, MAX_KIB + 8},
		     {MEM_KIB + 1, MEM_KIB + 2}};

	(void)state;
	for (enum kind kind = OTHERS; kind < KINDS; kind++) {
		for (uint32_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct vm_config c = of_kind(kind, i % 2 ? DOM_PVH : DOM_PV);
			uint64_t unit = kind == LINUX ? 1024 : 4;
			uint64_t mem = (sizes[i / 2].mem + unit - 1) / unit * unit;
			uint64_t max = (sizes[i / 2].max + unit - 1) / unit * unit;
			struct fake_domain d;
			struct vm *vm;

			max = max < mem ? mem : max;
			c.mem_kib = sizes[i / 2].mem;
			c.maxmem_kib = sizes[i / 2].max;
			vm = made(c, &d);
			assert_int_equal(told(vm, "target"), mem);
			assert_int_equal(told(vm, "static-max"), max);
			assert_int_equal(d.ram_kib, max);
			assert_in_range(d.pages * 4, mem, mem + 12); /* store, console, ACPI */
			assert_int_equal(d.later * 4, i % 2 && max > mem ? max : 0);
			assert_int_equal(d.max_kib, max + 1024);
			gone(vm);
		}
	}
}

/* A noxs guest has no balloon driver: its memory is what it has. */
static void ours_has_what_it_has(void **state)
{
	struct vm_config c = of_kind(OURS, DOM_PVH);
	struct fake_domain d;
	struct vm *vm;

	(void)state;
	c.maxmem_kib = MAX_KIB;
	vm = made(c, &d);
	assert_int_equal(d.pages * 4, MEM_KIB);
	assert_int_equal(d.later, 0);
	assert_true(d.max_kib >= MAX_KIB);
	gone(vm);
}

static void too_much_to_grow(void **state)
{
	struct vm_config c = of_kind(OTHERS, DOM_PVH);
	struct result r;

	(void)state;
	c.maxmem_kib = 8ull << 20;
	r = create(c, 0);
	assert_int_equal(r.rc, -EINVAL);
	assert_non_null(strstr(r.err.msg, "maxmem 8192 MiB"));
	c = of_kind(OTHERS, DOM_PVH);
	c.maxmem_kib = MAX_KIB;
	fake_set_free(MEM_KIB / 4 - 1);
	r = create(c, 0);
	assert_int_equal(r.rc, -ENOMEM);
	assert_non_null(strstr(r.err.msg, "not enough memory"));
	settle(0);
	only_the_daemon_is_left();
}

/* Every call that can fail, for a guest that may grow. */
static void failing_creates_end_clean(void **state)
{
	(void)state;
	for (enum kind kind = OTHERS; kind < KINDS; kind++) {
		uint32_t good = 0;

		for (uint32_t nth = 1; good < 3; nth++) {
			struct vm_config c = of_kind(kind, DOM_PVH);
			struct result r;

			assert_true(nth < 200);
			c.maxmem_kib = MAX_KIB;
			c.limits = asked();
			fake_fail_at(nth, EIO);
			r = create(c, 0);
			fake_fail_at(0, 0);
			good = r.rc == 0 ? good + 1 : 0;
			if (r.rc == 0)
				assert_int_equal(vm_destroy(r.vm, NULL), 0);
			settle(0);
			only_the_daemon_is_left();
			if (engine_find(en, "web"))
				assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(by_the_kind_of_image), LIFE(as_asked_for),
		LIFE(a_restart_keeps_them), LIFE(shells_are_for_others),
		LIFE(room_to_grow),	    LIFE(ours_has_what_it_has),
		LIFE(too_much_to_grow),	    LIFE(failing_creates_end_clean),
	};

	return cmocka_run_group_tests_name("limits", tests, make_kernel, remove_kernel);
}
