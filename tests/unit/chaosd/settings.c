/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of settings and of a flavor's words: values that are taken, and what errors say. */
#include "split-toolstack/engine/config/booted_plan.h"
#include "split-toolstack/chaosd/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/vmcfg/pool.h"
#include "tests/unit/vmcfg/vmcfg_help.h"

/* An error names the key, the value and what may be given. */
static void settings_are_checked(void **state)
{
	static const struct {
		const char *key, *value, *words;
	} wrong[] = {
		{"store", "mine", "store \"mine\": give auto, own, beside or none"},
		{"tail_guard", "1", "tail_guard \"1\": give off, auto or on"},
		{"log_level", "", "log_level \"\": give error, warn, info or debug"},
		{"history", "-1", "history \"-1\": not a number; give 0 to 100000"},
		{"console_log_kib", "15", "console_log_kib 15: out of range; give 16 to 1048576"},
		{"run_dir", "relative", "run_dir \"relative\": give a path that begins with /"},
		{"pool_memory", "2X", "pool_memory \"2X\": an unknown unit"},
		{"pool", "memory=4 count=x", "pool: count \"x\": not a number"},
		{"colour", "red", "colour: an unknown setting"},
	};
	struct settings c;
	struct err e = {0};

	(void)state;
	assert_int_equal(settings_init(&c, NULL), 0);
	assert_int_equal(settings_set(&c, "store", "own", &e), 0);
	assert_int_equal(c.store, STORE_OWN);
	assert_int_equal(settings_set(&c, "tail_guard", "on", &e), 0);
	assert_int_equal(c.tail_guard, TAIL_ON);
	assert_int_equal(settings_set(&c, "log_level", "debug", &e), 0);
	assert_int_equal(c.log_level, LOG_DEBUG);
	assert_int_equal(settings_set(&c, "pool_memory", "3M", &e), 0);
	assert_int_equal(c.pool_kib, 3072);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int rc = settings_set(&c, wrong[i].key, wrong[i].value, &e);

		is_refused_by(wrong[i].key, rc, &e, wrong[i].words);
	}
	assert_int_equal(c.store, STORE_OWN);
	assert_int_equal(c.pool.n, 0);
	assert_int_equal(settings_read(&c, "/nonexistent/chaosd.conf", true, &e), 0);
	assert_int_equal(settings_read(&c, "/nonexistent/chaosd.conf", false, &e), -ENOENT);
	settings_clear(&c);
}

/* All words of a flavor; and what each refuses. */
static void flavors_are_understood(void **state)
{
	static const struct {
		const char *text, *words;
	} wrong[] = {
		{"memory", "pool: \"memory\" is not of the form key=value"},
		{"type=hvm", "pool: type \"hvm\": give pv or pvh"},
		{"memory=x", "pool: memory \"x\": not a number"},
		{"vcpus=0", "pool: vcpus 0: out of range"},
		{"low=5000", "pool: low 5000: out of range; give 0 to 4096"},
		{"for=bsd", "pool: for \"bsd\": give noxs or linux"},
		{"image=x", "pool: image \"x\": give a path that begins with /, or image:NAME"},
		{"ramdisk=x", "pool: ramdisk \"x\": give a path that begins with /"},
		{"bridge=a234567890123456", "pool: bridge \"a234567890123456\": give at most 15"},
		{"backend=qemu", "pool: backend \"qemu\": give kernel or user"},
		{"colour=red",
		 "pool: \"colour\": an unknown word; there are type, memory, vcpus, count, low, "
		 "high, for, fork, image, ramdisk, gate, vifs, vbds, bridge, backend, from, ready, "
		 "mac, ip, disk and overcommit"},
		{"type=pv memory=4", "pool: give memory and count"},
		{"count=4", "pool: give memory and count"},
		{"memory=4 count=1 ramdisk=/r", "pool: a ramdisk needs an image"},
		{"memory=4 count=1 for=linux image=/k", "pool: give an image, or for=linux"},
		{"from= count=1", "pool: from: give the name of a snapshot"},
		{"from=web", "pool: from=web: give count (or low and high)"},
		{"from=web low=1", "pool: from=web: give count (or low and high)"},
		{"from=web count=1 memory=4",
		 "pool: from=web: memory is set by the snapshot; only count"},
		{"type=pvh from=web count=1",
		 "pool: from=web: type is set by the snapshot; only count"},
		{"memory=4 count=1 ip=10.0.0.1/8", "pool: ip is for copies of a snapshot"},
		{"from=web count=1 disk=copy", "pool: disk \"copy\": give same, readonly or none"},
		{"from=web count=1 ready=soon", "pool: ready \"soon\": give devices, store:NODE"},
		{"from=web count=1 ready=0", "pool: ready \"0\""},
		{"from=web count=1 ready=60001", "pool: ready \"60001\""},
		{"from=web count=1 ready=5x", "pool: ready \"5x\""},
		{"from=web count=1 ready=store:", "pool: ready \"store:\""},
		{"from=web count=1 ready=store:/data/x", "pool: ready \"store:/data/x\""},
		{"from=web count=1 ready=store:data//x", "pool: ready \"store:data//x\""},
		{"from=web count=1 ready=store:data/", "pool: ready \"store:data/\""},
		{"from=web count=1 ready=store:a*", "pool: ready \"store:a*\""},
		{"from=web count=1 ready=tcp:0 ip=10.0.0.1/8", "pool: ready \"tcp:0\""},
		{"from=web count=1 ready=tcp:65536", "pool: ready \"tcp:65536\""},
		{"from=web count=1 ready=tcp:80", "pool: ready=tcp:80: give ip, too"},
		{"from=web count=1 mac=02:00:00:00:00:02-02:00:00:00:00:01", "pool: mac \"02:"},
		{"from=web count=1 mac=03:00:00:00:00:02", "pool: mac \"03:"},
		{"from=web count=1 mac=02:00:00:00:00:00-02:00:00:01:00:00", "pool: mac \"02:"},
		{"from=web count=1 mac=02:00:00:00:00", "pool: mac \"02:"},
		{"from=web count=1 ip=10.0.0.1-10.0.0.9",
		 "pool: ip \"10.0.0.1-10.0.0.9\": give the"},
		{"from=web count=1 ip=10.0.0.9-10.0.0.1/24", "pool: ip \"10.0.0.9"},
		{"from=web count=1 ip=10.0.0.9-10.0.1.1/24", "pool: ip \"10.0.0.9"},
		{"from=web count=1 ip=10.0.0.1/33", "pool: ip \"10.0.0.1/33\""},
		{"from=web count=1 ip=0.0.0.0/8", "pool: ip \"0.0.0.0/8\""},
		{"from=web count=1 ip=10.0.0.x/8", "pool: ip \"10.0.0.x/8\""},
	};
	struct booted_plan plan;
	struct pool_flavor f;
	struct err e = {0};
	uint8_t mac[6];
	uint8_t ip[4];

	(void)state;
	assert_int_equal(poolcfg_parse("type=pvh,memory=4 vcpus=2\tlow=1 high=3 image=/k "
				       "ramdisk=/r vifs=1 vbds=2 bridge=br0 backend=user",
				       &f, &e),
			 0);
	assert_int_equal(f.type, DOM_PVH);
	assert_int_equal(f.mem_kib, 4096);
	assert_int_equal(f.vcpus, 2);
	assert_int_equal(f.low, 1);
	assert_int_equal(f.high, 3);
	assert_string_equal(f.image, "/k");
	assert_string_equal(f.ramdisk, "/r");
	assert_int_equal(f.vifs, 1);
	assert_int_equal(f.vbds, 2);
	assert_string_equal(f.bridge, "br0");
	assert_int_equal(f.backend, BACKEND_USER);
	poolcfg_clear(&f);
	assert_int_equal(poolcfg_parse("from=web low=1 high=3", &f, &e), 0);
	assert_string_equal(f.from, "web");
	assert_int_equal(f.low, 1);
	assert_int_equal(f.high, 3);
	poolcfg_clear(&f);
	assert_int_equal(poolcfg_parse("from=web count=2 ready=store:data/a.b disk=none "
				       "mac=02:00:00:00:00:fe-02:00:00:00:01:01 "
				       "ip=10.0.0.254-10.0.1.2/16",
				       &f, &e),
			 0);
	assert_int_equal(booted_plan_read(&f, &plan, &e), 0);
	poolcfg_clear(&f);
	assert_int_equal(plan.when, BOOTED_STORE);
	assert_string_equal(plan.node, "data/a.b");
	assert_int_equal(plan.macs, 4);
	booted_mac(&plan, 2, mac);
	assert_memory_equal(mac, ((uint8_t[]){2, 0, 0, 0, 1, 0}), 6);
	assert_int_equal(plan.ips, 5);
	assert_int_equal(plan.prefix, 16);
	booted_ip(&plan, 3, ip);
	assert_memory_equal(ip, ((uint8_t[]){10, 0, 1, 1}), 4);
	assert_int_equal(poolcfg_parse("from=web count=2 ready=tcp:80 ip=10.0.0.1/32", &f, &e), 0);
	assert_int_equal(booted_plan_read(&f, &plan, &e), 0);
	poolcfg_clear(&f);
	assert_int_equal(plan.when, BOOTED_TCP);
	assert_int_equal(plan.number, 80);
	assert_int_equal(plan.ips, 1);
	assert_int_equal(poolcfg_parse("from=web count=2 ready=250", &f, &e), 0);
	assert_int_equal(booted_plan_read(&f, &plan, &e), 0);
	poolcfg_clear(&f);
	assert_int_equal(plan.when, BOOTED_TIME);
	assert_int_equal(plan.number, 250);
	assert_int_equal(plan.macs, 0);
	assert_int_equal(poolcfg_parse("memory=256K count=8 for=linux", &f, &e), 0);
	assert_int_equal(f.type, DOM_PV);
	assert_int_equal(f.vcpus, 1);
	assert_int_equal(f.low, 8);
	assert_int_equal(f.high, 8);
	assert_true(f.for_linux);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int rc = poolcfg_parse(wrong[i].text, &f, &e);

		is_refused_by(wrong[i].text, rc, &e, wrong[i].words);
		assert_null(f.image);
		assert_null(f.ramdisk);
		assert_null(f.from);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_checked),
		cmocka_unit_test(flavors_are_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
