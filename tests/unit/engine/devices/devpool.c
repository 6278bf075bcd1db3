/* SPDX-License-Identifier: BSD-3-Clause */
/* Shells with vifs: into the pool, claimed, broken, ended on the way. */
#include "tests/unit/engine/devices_help.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/pool/pool_test.h"
#include "split-toolstack/engine/vm/parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void set_pool(uint32_t count, uint32_t vifs, const char *bridge)
{
	struct pool_flavor f = {.type = DOM_PV,
				.vcpus = 1,
				.mem_kib = 4096,
				.low = count,
				.high = count,
				.vifs = vifs};
	struct err e = {0};

	(void)snprintf(f.bridge, sizeof(f.bridge), "%s", bridge);
	if (pool_set(en, &f, &e) < 0)
		fail_msg("%s", e.msg);
}

static void wait_shells(uint32_t n)
{
	work_until(pool_ready() == n);
	assert_int_equal(pool_ready(), n);
}

static void shells_need_all_their_vifs(void **state)
{
	uint32_t domid;

	(void)state;
	set_pool(1, 2, "br0");
	until((domid = pool_test_connecting_domid(en)) != 0);
	assert_int_not_equal(domid, 0);
	kernel_add_backend("vif", domid, 0);
	say_state("vif", domid, 0, 4);
	say_state("vif", domid, 0, 4); /* says it twice, */
	interface_comes(domid, 0);     /* and its interface comes later */
	turn(NULL);
	assert_int_equal(pool_ready(), 0);
	wait_shells(1);
}

static void claims_bind(void **state)
{
	struct vm_config c = guest("web", DOM_PV, 4096);
	struct device_config d = vif("br1", "web0");
	struct result r;

	(void)state;
	set_pool(1, 1, "br0");
	wait_shells(1);
	give(&c, d);
	r = create(c, 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.way, VM_SHELL);
	assert_int_equal(connected(r.vm), 1);
	assert_non_null(kernel_link("web0"));
	assert_true(kernel_link("web0")->up);
	assert_int_equal(kernel_link("web0")->mtu, 9000);
	assert_int_equal(kernel_link("web0")->master, kernel_link("br1")->ifindex);
	/* what a shell cannot become is built */
	wait_shells(1);
	c = guest("five", DOM_PV, 4096);
	d = vif("br0", "");
	d.devid = 5;
	give(&c, d);
	r = create(c, 0);
	assert_int_equal(r.way, VM_COLD);
	c = guest("routed", DOM_PV, 4096);
	give(&c, vif("", ""));
	r = create(c, 0);
	assert_int_equal(r.way, VM_COLD);
}

/* A bridge goes and comes: shells made before are in the new one when they are claimed. */
static void bridges_go_and_come(void **state)
{
	struct vm_config c = guest("web", DOM_PV, 4096);
	struct result r;

	(void)state;
	set_pool(1, 1, "br0");
	wait_shells(1);
	uevent("remove@/devices/x|ACTION=remove|DEVPATH=/x|SUBSYSTEM=net|INTERFACE=br0|"
	       "IFINDEX=%d|DEVTYPE=bridge",
	       kernel_link("br0")->ifindex);
	kernel_del_link("br0");
	(void)kernel_add_link("br0", true, 1500);
	give(&c, vif("br0", ""));
	r = create(c, 0);
	assert_int_equal(r.way, VM_SHELL);
	assert_int_equal(kernel_link(devices_test_ifname(en, "vif", vm_domid(r.vm), 0))->master,
			 kernel_link("br0")->ifindex);
}

/* A shell whose backend goes away is nobody's. */
static void broken_shells_are_not_claimed(void **state)
{
	struct vm_config c = guest("web", DOM_PV, 4096);
	struct result r;
	uint32_t domid;

	(void)state;
	set_pool(1, 2, "br0");
	wait_shells(1);
	domid = pool_test_domid(en, 0);
	goes("vif", domid, 0);
	give(&c, vif("br0", ""));
	give(&c, vif("br1", ""));
	r = create(c, 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.way, VM_COLD);
	assert_int_not_equal(vm_domid(r.vm), domid);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	set_pool(0, 2, "br0");
	assert_true(pool_is_empty(engine_pool(en)));
	nothing_is_left(0);
}

static void flavors_end_while_shells_connect(void **state)
{
	(void)state;
	set_pool(3, 1, "br0");
	until(pool_test_connecting(en) >= 3);
	assert_int_equal(pool_test_connecting(en), 3);
	set_pool(1, 1, "br0"); /* fewer than are on the way */
	wait_shells(1);
	work_until(!pool_test_connecting(en));
	assert_int_equal(pool_ready(), 1);
	set_pool(3, 1, "br0");
	for (int i = 0; i < 20; i++)
		tick();
	set_pool(0, 1, "br0");
	assert_int_equal(pool_test_connecting(en), 0);
	nothing_is_left(0);
}

static void shells_fail_clean(void **state)
{
	(void)state;
	for (uint32_t nth = 1;; nth++) {
		bool through;

		fake_fail_at(nth, EIO);
		set_pool(1, 1, "br0");
		work_until(fake_failed() || pool_ready());
		through = !fake_failed();
		fake_fail_at(0, 0);
		set_pool(0, 1, "br0");
		nothing_is_left(0);
		if (through) {
			assert_true(nth > 8);
			break;
		}
	}
}

/* A claim that fails ends its shell; the VM is built or refused. */
static void claims_fail_clean(void **state)
{
	(void)state;
	for (uint32_t nth = 1;; nth++) {
		struct vm_config c = guest("web", DOM_PV, 4096);
		struct result r;
		bool through;

		set_pool(1, 1, "br0");
		wait_shells(1);
		give(&c, vif("br1", "web0"));
		r = create_failing(nth, c, &through);
		if (r.rc == 0) {
			assert_int_equal(vm_destroy(r.vm, NULL), 0);
			assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
		}
		set_pool(0, 1, "br0");
		nothing_is_left(0);
		if (through) {
			assert_true(nth > 1);
			break;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(shells_need_all_their_vifs),
		DEVICES(claims_bind),
		DEVICES(bridges_go_and_come),
		DEVICES(broken_shells_are_not_claimed),
		DEVICES(flavors_end_while_shells_connect),
		DEVICES(shells_fail_clean),
		DEVICES(claims_fail_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
