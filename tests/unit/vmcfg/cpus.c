/* SPDX-License-Identifier: BSD-3-Clause */
/* cpus = ...: texts of xl.cfg(5) against hosts, what the engine does with them, and what is told.
 */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/vmcfg/vmcfg_help.h"

#define NONE XEN_NO_CPU

/* Node 0 has CPUs 0 to 3, node 1 has 4 and 6; there is no 5. */
static const uint32_t two_nodes[] = {0, 0, 0, 0, 1, NONE, 1};

static int parse(const char *text, uint32_t vcpus, struct vm_config *c, struct err *e)
{
	struct vmcfg v = of_text(text);
	char set[32];
	int rc;

	v.xen = engine_xen(en);
	*e = (struct err){0};
	(void)snprintf(set, sizeof(set), "vcpus=%u", vcpus);
	assert_int_equal(vmcfg_add(&v.set, set, strlen(set)), 0);
	rc = vmcfg_parse(&v, c, e);
	vmcfg_clear(&v);
	return rc;
}

static void texts_are_understood(void **state)
{
	static const struct {
		const char *text, *told;
	} t[] = {
		{"cpus = 'all'", ""},
		{"cpus = []", ""},
		{"cpus = ''", ""},
		{"cpus = '0'", "0"},
		{"cpus = 2", "2"},
		{"cpus = '0-3,^1'", "0,2-3"},
		{"cpus = ' 0 - 3 , ^ 1 ,'", "0,2-3"},
		{"cpus = '^2,1-3'", "1-3"}, /* one after the other */
		{"cpus = 'all,^1'", "0,2-4,6"},
		{"cpus = '0,all'", ""},
		{"cpus = 'all,^9'", ""}, /* it is not there anyway */
		{"cpus = '0-1,^5-99999999999'", "0-1"},
		{"cpus = 'nodes:0'", "0-3"},
		{"cpus = 'node:1'", "4,6"},
		{"cpus = 'nodes: 0-1, ^node:0'", "4,6"},
		{"cpus = 'nodes:all,^nodes:1'", "0-3"},
		{"cpus = '1,node:1,^6'", "1,4"},
		{"cpus = ['0', '1']", "0;1"},
		{"cpus = [0, 1]", "0;1"},
		{"cpus = ['2', '3-4,^4']", "2;3"},
		{"cpus = ['0']", "0;"},
		{"cpus = ['all', 'all,^0', 'nodes:1']", "all;1-4,6;4,6"},
		{"cpus = ['0', '1', '2', '3', '99']", "0;1;2;3"}, /* as xl: there is no vCPU 4 */
		{"cpus = '0;1'", "0;1"},
		{"cpus = '0;'", "0;"},
		{"cpus = ['0', '1']\ncpus = '3'", "3"},
		{"cpus = '3'\ncpus = ['0', '1']", "0;1"},
	};

	(void)state;
	fake_set_cpus(two_nodes, 7);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct vm_config c;
		char told[64];
		struct err e;
		int rc = parse(t[i].text, 4, &c, &e);

		if (rc < 0)
			fail_msg("%s: %s", t[i].text, e.msg);
		vmcfg_cpus_text(&c.cpus, told, sizeof(told));
		if (strcmp(told, t[i].told) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", t[i].text, told, t[i].told);
		vm_config_clear(&c);
	}
}

static void what_is_not_there_is_named(void **state)
{
	static const struct {
		const char *text, *words;
	} t[] = {
		{"cpus = '9'", "cpus \"9\": this host has no CPU 9; it has 0-4,6"},
		{"cpus = '0-5'", "cpus \"0-5\": this host has no CPU 5; it has 0-4,6"},
		{"cpus = '0-7'", "no CPU 5"},
		{"cpus = '0-99999999999'", "no CPU 5"},
		{"cpus = ['0', '7']", "cpus \"7\": this host has no CPU 7; it has 0-4,6"},
		{"cpus = 'nodes:2'", "cpus \"nodes:2\": this host has no NUMA node 2; it has 0-1"},
		{"cpus = '0,^0'", "cpus \"0,^0\": leaves no CPU to run on"},
		{"cpus = '^0'", "cpus \"^0\": leaves no CPU"},
		{"cpus = ['0', '']", "cpus \"\": leaves no CPU"},
		{"cpus = ['0;1']", "cpus \"0;1\": give CPUs such as"},
		{"cpus = '^nodes:all'", "give CPUs such as"},
		{"cpus = '1-0'", "give CPUs such as"},
		{"cpus = 'nodes:'", "give CPUs such as"},
		{"cpus = 'all1'", "give CPUs such as"},
		{"cpus = '-1'", "give CPUs such as"},
		{"cpus = '99999999999999999999'", "give CPUs such as"},
	};

	(void)state;
	fake_set_cpus(two_nodes, 7);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct vm_config c;
		struct err e;
		int rc = parse(t[i].text, 4, &c, &e);

		if (rc != -EINVAL || !strstr(e.msg, t[i].words) || strchr(e.msg, '\n'))
			fail_msg("%s: %d \"%s\"", t[i].text, rc, e.msg);
		vm_config_clear(&c);
	}
	fake_fail_at(1, EPERM);
	{
		struct vm_config c;
		struct err e;

		assert_int_equal(parse("cpus = '0'", 1, &c, &e), -EPERM);
		vm_config_clear(&c);
	}
}

static struct vm *with_cpus(const char *text, const char *name, enum dom_type type)
{
	struct vm_config c = guest(name, type, 1024);
	struct vm_config parsed;
	struct result r;
	struct err e;

	assert_int_equal(parse(text, 3, &parsed, &e), 0);
	c.vcpus = 3;
	c.cpus = parsed.cpus;
	parsed.cpus.map = NULL;
	vm_config_clear(&parsed);
	r = create(c, 0);
	if (r.rc < 0)
		fail_msg("%s: %s", text, r.err.msg);
	return r.vm;
}

static void is_pinned(struct vm *vm, uint8_t first, uint8_t second, uint8_t third)
{
	uint32_t id = vm_domid(vm);

	assert_int_equal(fake_affinity(id, 0), first);
	assert_int_equal(fake_affinity(id, 1), second);
	assert_int_equal(fake_affinity(id, 2), third);
}

static void told_is(struct vm *vm, const char *text)
{
	struct vm_info i;
	char told[64];

	vm_get_info(vm, &i);
	vmcfg_cpus_text(i.cpus, told, sizeof(told));
	assert_string_equal(told, text);
}

static uint32_t restarts(struct vm *vm)
{
	struct vm_info i;

	vm_get_info(vm, &i);
	return i.restarts;
}

/* Cold, from a shell, after a restart, and in the records of a daemon that died. */
static void vcpus_are_pinned_one_by_one(void **state)
{
	struct pool_flavor f = {.type = DOM_PV, .vcpus = 3, .mem_kib = 1024, .low = 1, .high = 1};
	struct engine_conf c = conf();
	struct err e = {0};
	struct vm *vm;

	(void)state;
	fake_set_cpus(two_nodes, 7);
	vm = with_cpus("cpus = ['0', '1-2']", "each", DOM_PV);
	is_pinned(vm, 1, 6, 0);
	told_is(vm, "0;1-2");
	vm = with_cpus("cpus = '0-1'", "all", DOM_PVH);
	is_pinned(vm, 3, 3, 3);
	vm = with_cpus("cpus = ['3']", "one", DOM_PV);
	is_pinned(vm, 8, 0, 0);
	assert_int_equal(pool_set(en, &f, &e), 0);
	until(pool_ready() == 1);
	vm = with_cpus("cpus = ['2', 'all', '6']", "shell", DOM_PV);
	is_pinned(vm, 4, 0xff, 0x40);
	engine_close(en);
	assert_int_equal(engine_open(loop, &c, &en, &e), 0);
	told_is(engine_find(en, "each"), "0;1-2");
	told_is(engine_find(en, "all"), "0-1");
	told_is(engine_find(en, "one"), "3;");
	told_is(engine_find(en, "shell"), "2;all;6");
	vm = engine_find(en, "each");
	fake_end(vm_domid(vm), SHUTDOWN_reboot);
	until(restarts(vm) == 1 && vm_state(vm) == VM_RUNNING);
	is_pinned(vm, 1, 6, 0);
}

/* maxvcpus: the domain has them, each is tied, and none is forgotten. */
static void vcpus_that_come_later(void **state)
{
	struct engine_conf conf_ = conf();
	struct vm_config c = guest("more", DOM_PVH, 1024);
	struct vm_info i;
	struct result r;
	struct err e = {0};

	(void)state;
	c.vcpus = 1;
	c.maxvcpus = 3;
	c.cpus = (struct dom_cpus){.map = malloc(1), .bytes = 1};
	assert_non_null(c.cpus.map);
	c.cpus.map[0] = 2;
	r = create(c, 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(fake_vcpus(vm_domid(r.vm)), 3);
	is_pinned(r.vm, 2, 2, 2);
	engine_close(en);
	assert_int_equal(engine_open(loop, &conf_, &en, &e), 0);
	vm_get_info(engine_find(en, "more"), &i);
	assert_int_equal(i.vcpus, 1);
	assert_int_equal(i.maxvcpus, 3);
	r = create(guest("one", DOM_PVH, 1024), 0);
	assert_int_equal(fake_vcpus(vm_domid(r.vm)), 1);
	vm_get_info(r.vm, &i);
	assert_int_equal(i.maxvcpus, 1);
}

/* Longer than any text has room for. */
static void long_texts_end_in_dots(void **state)
{
	uint8_t map[64];
	struct dom_cpus c = {map, sizeof(map), 0};
	char told[20];

	(void)state;
	memset(map, 0x55, sizeof(map));
	vmcfg_cpus_text(&c, told, sizeof(told));
	assert_string_equal(told, "0,2,4,6,8,10,12,...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(texts_are_understood),
		LIFE(what_is_not_there_is_named),
		LIFE(vcpus_are_pinned_one_by_one),
		LIFE(vcpus_that_come_later),
		cmocka_unit_test(long_texts_end_in_dots),
	};

	return cmocka_run_group_tests_name("cpus", tests, NULL, NULL);
}
