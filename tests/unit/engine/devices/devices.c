/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices of the engine: whoever ends when, nothing is left. */
#include "tests/unit/engine/devices_help.h"

#include <xen/sched.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0/loopdev.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/devices/teardown_wait-t.h"
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"

static void lives_and_dies(void **state)
{
	uint32_t files = open_files();
	struct result r = create(net_and_disk("web"), 0);
	uint32_t domid;

	(void)state;
	assert_int_equal(r.rc, 0);
	domid = vm_domid(r.vm);
	assert_int_equal(connected(r.vm), 0);
	work_for(3);
	assert_int_equal(connected(r.vm), 2);
	assert_int_equal(kernel_nbackends(), 2);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	settle(0);
	/* the kernel still has both: so the id is nobody's */
	assert_true(devices_of(en, domid));
	r = create(guest("other", DOM_PV, 4096), 0);
	assert_int_not_equal(vm_domid(r.vm), domid);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	work_for(3);
	assert_false(devices_of(en, domid));
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	assert_int_equal(vm_rm(engine_find(en, "other"), NULL), 0);
	nothing_is_left(files);
}

/* Destroyed before the kernel has seen anything: its id waits for that. */
static void unseen_ones_are_waited_for(void **state)
{
	struct result r = create(net_and_disk("web"), 0);
	uint32_t domid = vm_domid(r.vm);

	(void)state;
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	kernel_add_backend("vif", domid, 0); /* it was on the way */
	settle(0);
	assert_true(devices_of(en, domid));
	for (int i = 0; i < 150; i++) /* longer than what is not seen is waited for */
		tick();
	assert_true(devices_of(en, domid));
	nothing_is_left(0);
}

/* The kernel was slower than that: what it makes then is removed, too. */
static void seen_too_late(void **state)
{
	struct result r = create(net_and_disk("web"), 0);
	uint32_t domid = vm_domid(r.vm);

	(void)state;
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	while (devices_of(en, domid))
		tick();
	kernel_add_backend("vif", domid, 0);
	uevent("add@/devices/x|ACTION=add|DEVPATH=/devices/vif-%u-0|SUBSYSTEM=xen-backend", domid);
	assert_true(devices_of(en, domid)); /* the id is not used meanwhile */
	work_for(1500);
	assert_false(devices_of(en, domid));
	assert_int_equal(kernel_nbackends(), 0);
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	nothing_is_left(0);
}

/* A driver writes its features after the nodes were removed: there are nodes again. */
static void nodes_that_come_again(void **state)
{
	struct result r = create(net_and_disk("web"), 0);
	uint32_t domid = vm_domid(r.vm);
	char at[DEVTREE_PATH_MAX];

	(void)state;
	kernel_add_backend("vif", domid, 0);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	settle(0);
	devtree_back(&(struct devtree_id){"vif", domid, 0}, "online", at);
	assert_false(has_nodes("vif", domid, 0));
	assert_int_equal(store_putf(engine_store(en), at, "1"), 0);
	work_for(1500);
	assert_false(has_nodes("vif", domid, 0));
	assert_false(devices_of(en, domid));
	assert_int_equal(kernel_nbackends(), 0);
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	nothing_is_left(0);
}

/* It waits for its backends: a pause ends that, and begins nothing that stays. */
static void paused_while_held(void **state)
{
	struct result r = create(net_and_disk("web"), 0);
	struct xen_domain_info info;

	(void)state;
	assert_int_equal(life_now(r.vm), NOW_GATED);
	assert_int_equal(vm_pause(r.vm, NULL), 0);
	work_for(3);
	assert_int_equal(connected(r.vm), 2);
	assert_int_equal(xen_domain_info(engine_xen(en), vm_domid(r.vm), &info), 0);
	assert_true(info.paused);
	assert_int_equal(vm_unpause(r.vm, NULL), 0);
	assert_int_equal(xen_domain_info(engine_xen(en), vm_domid(r.vm), &info), 0);
	assert_false(info.paused);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	work_for(3);
	r = create(net_and_disk("again"), 0);
	assert_int_equal(life_now(r.vm), NOW_GATED);
	assert_int_equal(vm_pause(r.vm, NULL), 0);
	assert_int_equal(vm_unpause(r.vm, NULL), 0);
	assert_int_equal(life_now(r.vm), NOW_GATED);
	work_for(3);
	assert_int_equal(xen_domain_info(engine_xen(en), vm_domid(r.vm), &info), 0);
	assert_false(info.paused);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	work_for(3);
}

/* Events of an earlier device of the same name. */
static void stale_events_are_ignored(void **state)
{
	struct result r = create(net_and_disk("web"), 0);
	uint32_t domid = vm_domid(r.vm);

	(void)state;
	uevent("remove@/devices/x|ACTION=remove|DEVPATH=/devices/vif-%u-0|SUBSYSTEM=xen-backend",
	       domid);
	uevent("add@/devices/x|ACTION=add|DEVPATH=/x|SUBSYSTEM=net|INTERFACE=vif%u.0|IFINDEX=999",
	       domid);
	work_for(3);
	uevent("remove@/devices/x|ACTION=remove|DEVPATH=/devices/vbd-%u-51712|"
	       "SUBSYSTEM=xen-backend",
	       domid);
	assert_int_equal(connected(r.vm), 2);
	/* and lines that mean nothing */
	uevent("|ACTION=add|DEVPATH=/x|SUBSYSTEM=net");
	uevent("|ACTION=remove|DEVPATH=vif-1-2|SUBSYSTEM=xen-backend");
	uevent("|ACTION=remove|DEVPATH=/vif-99999999999-2|SUBSYSTEM=xen-backend");
	uevent("|ACTION=remove|DEVPATH=/vif--|SUBSYSTEM=xen-backend");
	uevent("|ACTION=remove|DEVPATH=/|SUBSYSTEM=xen-backend");
	uevent("|||");
	assert_int_equal(connected(r.vm), 2);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
}

static void restarts_wait_for_their_disk(void **state)
{
	struct result r = create(net_and_disk("web"), 0);
	uint8_t mac[6];
	struct vm_info i;

	(void)state;
	work_for(3);
	memcpy(mac, vm_cfg(r.vm)->device[0].u.vif.mac, 6);
	fake_end(vm_domid(r.vm), SHUTDOWN_reboot);
	until(vm_state(r.vm) != VM_RUNNING);
	vm_get_info(r.vm, &i);
	assert_int_equal(i.state, VM_BUILDING);
	work_until(vm_state(r.vm) == VM_RUNNING);
	vm_get_info(r.vm, &i);
	assert_int_equal(i.restarts, 1);
	assert_int_equal(i.state, VM_RUNNING);
	work_for(3);
	assert_int_equal(connected(r.vm), 2);
	assert_memory_equal(mac, vm_cfg(r.vm)->device[0].u.vif.mac, 6);
	/* destroyed while it waits */
	fake_end(vm_domid(r.vm), SHUTDOWN_reboot);
	until(vm_state(r.vm) != VM_RUNNING);
	assert_int_not_equal(vm_devices(r.vm)->waits_for, 0);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
	assert_int_equal(vm_state(r.vm), VM_ENDED);
}

/* A disk that somebody still has when its backend is gone: the kernel closes it a little later. */
static void restarts_try_again(void **state)
{
	struct result r = create(net_and_disk("web"), 0);
	struct disk_info info;
	int fd = open(disk, O_RDWR | O_CLOEXEC);

	(void)state;
	work_for(3);
	fake_end(vm_domid(r.vm), SHUTDOWN_reboot);
	until(vm_state(r.vm) != VM_RUNNING);
	work_until(!vm_devices(r.vm)->waits_for);
	assert_int_equal(disk_probe(fd, &info, NULL), 0);
	assert_int_equal(disk_lock(fd, false, NULL), 0);
	work_until(life_test_teardown_wait(r.vm)->prev);
	work_for(120);
	assert_int_equal(vm_state(r.vm), VM_BUILDING);
	work_until(life_test_teardown_wait(r.vm)->prev); /* it may be trying in this moment */
	assert_int_equal(vm_state(r.vm), VM_BUILDING);
	assert_int_equal(close(fd), 0);
	work_until(vm_state(r.vm) == VM_RUNNING);
	assert_int_equal(vm_state(r.vm), VM_RUNNING);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
}

static void engines_close_in_every_phase(void **state)
{
	struct engine_conf c = conf();
	struct result r;

	(void)state;
	for (int phase = 0; phase < 4; phase++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "p%d", phase);
		r = create(net_and_disk(name), 0);
		assert_int_equal(r.rc, 0);
		if (phase >= 1)
			work_for(3);
		if (phase >= 2)
			assert_int_equal(vm_destroy(r.vm, NULL), 0);
		if (phase >= 3)
			settle(0);
		engine_close(en);
		fake_process_died();
		assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
		if (phase < 2) {
			r.vm = engine_find(en, name);
			assert_non_null(r.vm);
			work_for(3);
			assert_int_equal(connected(r.vm), 2);
			assert_int_equal(vm_destroy(r.vm, NULL), 0);
		}
		nothing_is_left(0);
	}
}

/* --- at run time --- */

static void attach_and_detach(void **state)
{
	struct device_config d = vif("br0", "");
	struct answer a = {0};
	struct result r = create(other_guest("lin"), 0);
	uint32_t files = open_files();
	uint32_t domid = vm_domid(r.vm);

	(void)state;
	assert_int_equal(r.rc, 0);
	vm_attach(r.vm, &d, on_device, &a);
	assert_false(a.called);
	work_for(3);
	assert_true(a.called);
	assert_int_equal(a.rc, 0);
	say_state("vif", domid, 0, 4);
	assert_int_equal(connected(r.vm), 1);

	a = (struct answer){0};
	vm_detach(r.vm, DEVICE_VIF, 0, false, on_device, &a);
	assert_false(a.called); /* the guest has not let go */
	vm_detach(r.vm, DEVICE_VIF, 0, true, on_device, &(struct answer){0});
	say_state("vif", domid, 0, 6);
	work_for(1);
	assert_true(a.called);
	assert_int_equal(a.rc, 0);
	assert_false(has_nodes("vif", domid, 0));
	assert_int_equal(vm_cfg(r.vm)->ndevice, 0);

	/* the kernel lets go by itself, as soon as it is closed */
	d = vbd();
	a = (struct answer){0};
	vm_attach(r.vm, &d, on_device, &a);
	work_for(3);
	assert_int_equal(a.rc, 0);
	a = (struct answer){0};
	vm_detach(r.vm, DEVICE_VBD, 51712, false, on_device, &a);
	goes("vbd", domid, 51712);
	assert_true(a.called);
	assert_false(has_nodes("vbd", domid, 51712));
	files_settle();
	assert_int_equal(open_files(), files);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
}

/* The bridge's, or what was asked for: in the page at once, in the frontend's node when it is set.
 */
static void mtus_are_told(void **state)
{
	static const struct {
		const char *bridge;
		uint32_t mtu, want;
	} t[] = {{"br0", 0, 1500}, {"br1", 0, 9000}, {"br1", 1400, 1400}, {"", 0, 1500}};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct noxs_device page[NOXS_MAX_DEVICES];
		struct vm_config c = guest("page", DOM_PV, 4096);
		struct vm_config o = other_guest("node");
		struct device_config d = vif(t[i].bridge, "");
		struct devtree_id id = {"vif", 0, 0};
		struct result r;
		char at[DEVTREE_PATH_MAX];
		uint32_t n = 0;

		d.u.vif.mtu = t[i].mtu;
		give(&c, d);
		give(&o, d);
		r = create(c, 0);
		assert_int_equal(devices_page(vm_devices(r.vm), page), 1);
		assert_int_equal(page[0].u.vif.mtu, t[i].want);
		work_for(3);
		assert_int_equal(
			kernel_link(devices_test_ifname(en, "vif", vm_domid(r.vm), 0))->mtu,
			t[i].want);
		assert_int_equal(vm_destroy(r.vm, NULL), 0);
		r = create(o, 0);
		work_for(3);
		id.domid = vm_domid(r.vm);
		devtree_front(&id, "mtu", at);
		assert_int_equal(store_get_u32(engine_store(en), at, &n) == 0, t[i].bridge[0] != 0);
		assert_int_equal(n, t[i].bridge[0] ? t[i].want : 0);
		assert_int_equal(vm_destroy(r.vm, NULL), 0);
		nothing_is_left(0);
	}
}

/* The id of one that is on its way out is not given away. */
static void numbers_are_not_used_twice(void **state)
{
	struct result r = create(other_guest("lin"), 0);
	struct device_config d = vif("br0", "");
	struct answer a = {0};

	(void)state;
	vm_attach(r.vm, &d, on_device, &a);
	work_for(3);
	a = (struct answer){0};
	vm_detach(r.vm, DEVICE_VIF, 0, true, on_device, &a);
	assert_false(a.called);
	d = vif("br0", "");
	vm_attach(r.vm, &d, on_device, &(struct answer){0});
	assert_int_equal(vm_cfg(r.vm)->device[0].devid, 1);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
	assert_true(a.called);
}

static void failed_attach_leaves_nothing(void **state)
{
	struct result r = create(other_guest("lin"), 0);
	struct device_config d = vif("br0", "");
	struct answer a = {0};

	(void)state;
	vm_attach(r.vm, &d, on_device, &a);
	kernel_del_link("br0");
	work_for(3);
	assert_true(a.called);
	assert_int_equal(a.rc, -EIO);
	assert_non_null(strstr(a.err.msg, "bridge \"br0\""));
	work_until(!devices_test_any(en));
	assert_false(devices_test_any(en));
	assert_int_equal(vm_cfg(r.vm)->ndevice, 0);
	(void)kernel_add_link("br0", true, 1500);
	/* its backend is unbound while it is awaited */
	d = vif("br0", "");
	a = (struct answer){0};
	vm_attach(r.vm, &d, on_device, &a);
	kernel_add_backend("vif", vm_domid(r.vm), 0);
	say_state("vif", vm_domid(r.vm), 0, 2);
	goes("vif", vm_domid(r.vm), 0);
	assert_true(a.called);
	assert_int_equal(a.rc, -EIO);
	/* the VM ends meanwhile */
	d = vif("br0", "");
	d.devid = 5;
	a = (struct answer){0};
	vm_attach(r.vm, &d, on_device, &a);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	assert_int_equal(a.rc, -ECANCELED);
	nothing_is_left(0);
}

/* --- without a store --- */

static void kernel_devices_need_a_store(void **state)
{
	struct engine_conf c = conf();
	struct result r;

	(void)state;
	engine_close(en);
	fake_process_died();
	c.store = STORE_NOBODY;
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	r = create(net_and_disk("web"), 0);
	assert_int_equal(r.rc, -EOPNOTSUPP);
	assert_non_null(strstr(r.err.msg, "userspace=1"));
	assert_null(engine_find(en, "web"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(lives_and_dies),
		DEVICES(unseen_ones_are_waited_for),
		DEVICES(seen_too_late),
		DEVICES(nodes_that_come_again),
		DEVICES(paused_while_held),
		DEVICES(stale_events_are_ignored),
		DEVICES(restarts_wait_for_their_disk),
		DEVICES(restarts_try_again),
		DEVICES(engines_close_in_every_phase),
		DEVICES(attach_and_detach),
		DEVICES(mtus_are_told),
		DEVICES(numbers_are_not_used_twice),
		DEVICES(failed_attach_leaves_nothing),
		DEVICES(kernel_devices_need_a_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
