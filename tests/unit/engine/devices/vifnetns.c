/* SPDX-License-Identifier: BSD-3-Clause */
/* vifs in a network namespace: moved there and joined with their peer, over restarts of the daemon,
 * whichever of daemon, VM, path and namespace goes first. */
#include "tests/unit/engine/devices_help.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mac[6] = {0x02, 0x42, 0xac, 0x11, 0x00, 0x02};

static struct vm_config in_netns(const char *name, const char *peer)
{
	struct vm_config c = guest(name, DOM_PV, 4096);
	struct device_config d;

	device_config_init(&d, DEVICE_VIF);
	(void)snprintf(d.u.vif.netns, sizeof(d.u.vif.netns), "%s", KERNEL_NETNS);
	(void)snprintf(d.u.vif.peer, sizeof(d.u.vif.peer), "%s", peer);
	give(&c, d);
	return c;
}

static void on_vif(const struct device_info *d, void *arg)
{
	memcpy(arg, d, sizeof(*d));
}

static struct device_info vif_of(struct vm *vm)
{
	struct device_info d = {0};

	vm_for_each_device(vm, on_vif, &d);
	assert_non_null(d.config);
	return d;
}

static void is_broken(const char *name, const char *why)
{
	struct device_info d = vif_of(engine_find(en, name));

	assert_int_equal(d.state, DEVICE_BROKEN);
	assert_non_null(strstr(d.reason, why));
}

static const char *ifname(struct vm *vm)
{
	static char name[16];

	(void)snprintf(name, sizeof(name), "vif%u.0", vm_domid(vm));
	return name;
}

static struct vm *running(void)
{
	struct vm *vm;

	kernel_add_netns("eth0", mac, 1400);
	vm = create(in_netns("web", "eth0"), 0).vm;
	assert_non_null(vm);
	work_until(connected(vm) == 1);
	return vm;
}

static void next_daemon(void)
{
	struct engine_conf c = conf();

	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	files_settle();
}

static void it_ends(struct vm *vm)
{
	assert_int_equal(vm_destroy(vm, NULL), 0);
	nothing_is_left(0);
}

static void moved_and_joined(void **state)
{
	struct vm *vm = running();
	struct device_info d = vif_of(vm);

	(void)state;
	assert_null(kernel_link(ifname(vm)));
	assert_true(kernel_is_joined(ifname(vm), "eth0"));
	assert_true(kernel_netns_link(ifname(vm))->up);
	assert_int_equal(kernel_netns_link(ifname(vm))->mtu, 1400);
	assert_memory_equal(d.config->u.vif.mac, mac, 6);
	assert_int_equal(d.config->u.vif.mtu, 1400);
	assert_string_equal(d.ifname, ifname(vm));
	assert_int_equal(vm_destroy(vm, NULL), 0);
	assert_false(kernel_is_joined(ifname(vm), "eth0"));
	nothing_is_left(0);
}

static void checks(void **state)
{
	struct device_config a;
	struct device_config b;
	struct err e = {0};

	(void)state;
	device_config_init(&a, DEVICE_VIF);
	(void)snprintf(a.u.vif.netns, sizeof(a.u.vif.netns), "/n");
	(void)snprintf(a.u.vif.peer, sizeof(a.u.vif.peer), "eth0");
	b = a;
	assert_int_equal(device_config_check(&a, NULL, 0, &e), 0);
	assert_int_equal(device_config_check(&a, &b, 1, &e), -EEXIST);
	assert_non_null(strstr(err_msg(&e), "peer eth0 of netns \"/n\" is given twice"));
	(void)snprintf(b.u.vif.peer, sizeof(b.u.vif.peer), "eth1");
	assert_int_equal(device_config_check(&a, &b, 1, &e), 0);
	(void)snprintf(b.u.vif.netns, sizeof(b.u.vif.netns), "n");
	assert_int_equal(device_config_check(&b, NULL, 0, &e), -EINVAL);
	(void)snprintf(b.u.vif.netns, sizeof(b.u.vif.netns), "/n\n");
	assert_int_equal(device_config_check(&b, NULL, 0, &e), -EINVAL);
	b = a;
	(void)snprintf(b.u.vif.ifname, sizeof(b.u.vif.ifname), "web0");
	assert_int_equal(device_config_check(&b, NULL, 0, &e), -EINVAL);
	a.backend = BACKEND_USER;
	assert_int_equal(device_config_check(&a, NULL, 0, &e), -EOPNOTSUPP);
}

static void refusals_leave_nothing(void **state)
{
	struct result r = create(in_netns("web", "eth0"), 0);

	(void)state;
	assert_int_equal(r.rc, -ENOENT);
	kernel_add_netns("eth0", mac, 1500);
	r = create(in_netns("web", "eth1"), 0);
	assert_int_equal(r.rc, -ENODEV);
	r = create(in_netns("web", "eth0"), 0);
	assert_int_equal(r.rc, 0);
	assert_int_equal(create(in_netns("thief", "eth0"), 0).rc, -EEXIST);
	it_ends(r.vm);
}

/* The MAC is the namespace's: others may have the same. */
static void macs_may_be_the_same(void **state)
{
	struct vm *vm = running();
	struct vm_config c = guest("other", DOM_PV, 4096);
	struct device_config d = vif("br0", "");

	(void)state;
	memcpy(d.u.vif.mac, mac, 6);
	give(&c, d);
	assert_int_equal(create(c, 0).rc, 0);
	assert_int_equal(vm_destroy(engine_find(en, "other"), NULL), 0);
	it_ends(vm);
}

static void found_again(void **state)
{
	struct vm *vm = running();

	(void)state;
	next_daemon();
	vm = engine_find(en, "web");
	assert_int_equal(connected(vm), 1);
	assert_true(kernel_is_joined(ifname(vm), "eth0"));
	assert_int_equal(create(in_netns("thief", "eth0"), 0).rc, -EEXIST);
	it_ends(vm);
}

/* Killed before the move. */
static void moved_by_the_next(void **state)
{
	struct vm *vm;

	(void)state;
	kernel_add_netns("eth0", mac, 1500);
	vm = create(in_netns("web", "eth0"), 0).vm;
	kernel_add_backend("vif", vm_domid(vm), 0);
	(void)kernel_add_link(ifname(vm), false, 1500); /* the last daemon has not heard of it */
	say_state("vif", vm_domid(vm), 0, 4);
	next_daemon();
	vm = engine_find(en, "web");
	assert_int_equal(connected(vm), 1);
	assert_true(kernel_is_joined(ifname(vm), "eth0"));
	it_ends(vm);
}

static void without_a_path_it_goes_on(void **state)
{
	struct vm *vm = running();

	(void)state;
	kernel_hide_netns(true);
	next_daemon();
	vm = engine_find(en, "web");
	assert_int_equal(vm_state(vm), VM_RUNNING);
	assert_int_equal(connected(vm), 1);
	assert_string_equal(vif_of(vm).reason, "");
	it_ends(vm);
}

static void namespace_ends_while_no_daemon_runs(void **state)
{
	struct vm *vm = running();

	(void)state;
	kernel_end_netns();
	next_daemon();
	vm = engine_find(en, "web");
	assert_int_equal(vm_state(vm), VM_RUNNING);
	is_broken("web", "its network namespace has ended");
	work_for(10);
	next_daemon(); /* once more */
	vm = engine_find(en, "web");
	is_broken("web", "its network namespace has ended");
	it_ends(vm);
}

static void namespace_ends_while_it_runs(void **state)
{
	struct vm *vm = running();
	uint32_t domid = vm_domid(vm);

	(void)state;
	kernel_end_netns();
	uevent("add@/devices/x|ACTION=add|DEVPATH=/x|SUBSYSTEM=net|INTERFACE=%s|IFINDEX=%d",
	       ifname(vm), kernel_link(ifname(vm))->ifindex);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	assert_int_equal(vm_domid(vm), domid);
	is_broken("web", "its network namespace has ended");
	it_ends(vm);
}

/* Between the create's checks and the interface's coming. */
static void namespace_ends_before_it_comes(void **state)
{
	struct vm *vm;

	(void)state;
	kernel_add_netns("eth0", mac, 1500);
	vm = create(in_netns("web", "eth0"), 0).vm;
	kernel_hide_netns(true);
	work_for(10);
	is_broken("web", "No such file or directory");
	it_ends(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks),
		DEVICES(moved_and_joined),
		DEVICES(refusals_leave_nothing),
		DEVICES(macs_may_be_the_same),
		DEVICES(found_again),
		DEVICES(moved_by_the_next),
		DEVICES(without_a_path_it_goes_on),
		DEVICES(namespace_ends_while_no_daemon_runs),
		DEVICES(namespace_ends_while_it_runs),
		DEVICES(namespace_ends_before_it_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
