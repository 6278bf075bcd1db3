/* SPDX-License-Identifier: BSD-3-Clause */
/* Creates and attaches right behind the end of the VM that has their disk or name: they wait for
 * it. */
#include "tests/unit/engine/devices_help.h"

#include <xen/sched.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/devices/teardown_wait-t.h"
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

/* Turns the loop no further than to open its disk. */
static void ask(struct vm_config c, struct result *r)
{
	create_begin(c, 0, r);
	files_settle();
}

/* A VM with web0 in br0 and the disk, destroyed, whose devices the kernel still has. */
static uint32_t destroyed_a_moment_ago(void)
{
	struct vm_config c = net_and_disk("old");
	struct result r;
	uint32_t domid;

	(void)snprintf(c.device[0].u.vif.ifname, sizeof(c.device[0].u.vif.ifname), "web0");
	r = create(c, 0);
	assert_int_equal(r.rc, 0);
	domid = vm_domid(r.vm);
	kernel_add_backend("vif", domid, 0);
	kernel_add_backend("vbd", domid, 51712);
	interface_comes(domid, 0);
	say_state("vif", domid, 0, 2);
	say_state("vbd", domid, 51712, 2);
	assert_non_null(kernel_link("web0"));
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	turn(NULL);
	assert_true(devices_of(en, domid));
	return domid;
}

static struct vm_config wants(const char *name, const char *ifname, bool with_disk)
{
	struct vm_config c = guest(name, DOM_PV, 4096);

	give(&c, vif("br0", ifname));
	if (with_disk)
		give(&c, vbd());
	return c;
}

/* Time goes by for those that wait. */
static void time_is_over(void)
{
	devices_test_waits_are_over(en);
	turn(NULL);
}

static void creates_wait(void **state)
{
	static const struct {
		const char *ifname;
		bool disk;
	} both[] = {{"web0", false}, {"", true}, {"web0", true}};

	(void)state;
	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		uint32_t domid = destroyed_a_moment_ago();
		struct result r;

		ask(wants("new", both[i].ifname, both[i].disk), &r);
		turn(NULL);
		assert_false(r.called);
		assert_ptr_equal(life_test_teardown_wait(engine_find(en, "new"))->next, NULL);
		assert_int_equal(vm_state(engine_find(en, "new")), VM_BUILDING);
		goes("vif", domid, 0);
		goes("vbd", domid, 51712);
		turn(&r.called);
		assert_true(r.called);
		assert_int_equal(r.rc, 0);
		work_for(3);
		assert_int_equal(connected(r.vm), 1 + both[i].disk);
		assert_int_equal(vm_destroy(r.vm, NULL), 0);
		nothing_is_left(0);
		assert_int_equal(vm_rm(engine_find(en, "new"), NULL), 0);
		assert_int_equal(vm_rm(engine_find(en, "old"), NULL), 0);
	}
}

/* What never comes free is refused in the end, and what is wrong besides at once. */
static void nobody_waits_for_ever(void **state)
{
	uint32_t domid = destroyed_a_moment_ago();
	uint32_t files;
	struct vm_config c;
	struct result r;

	(void)state;
	settle(0); /* its devices are left */
	files = open_files();
	c = wants("new", "web0", true);
	(void)snprintf(c.device[0].u.vif.bridge, sizeof(c.device[0].u.vif.bridge), "nonesuch");
	ask(c, &r);
	assert_true(r.called);
	assert_int_equal(r.rc, -ENODEV);
	ask(wants("new", "", true), &r);
	turn(NULL);
	assert_false(r.called);
	time_is_over();
	assert_true(r.called);
	assert_int_equal(r.rc, -EBUSY);
	assert_non_null(strstr(r.err.msg, "disk xvda: "));
	assert_non_null(strstr(r.err.msg, "its last VM still holds it after 10 s"));
	assert_null(engine_find(en, "new"));
	assert_int_equal(open_files(), files);
	ask(wants("new", "web0", false), &r);
	time_is_over();
	assert_int_equal(r.rc, -EBUSY);
	assert_non_null(strstr(r.err.msg, "vifname \"web0\""));
	goes("vif", domid, 0);
	goes("vbd", domid, 51712);
	nothing_is_left(0);
}

/* The worker has not come to its domain yet. */
static void uuids_are_free_at_once(void **state)
{
	struct result r = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct vm_config c = guest("same", DOM_PV, 4096);

		memset(c.uuid, 7, sizeof(c.uuid));
		c.have_uuid = true;
		ask(c, &r);
		assert_true(r.called);
		if (r.rc < 0)
			fail_msg("%s", r.err.msg);
		assert_int_equal(vm_destroy(r.vm, NULL), 0);
	}
	nothing_is_left(0);
}

static void what_lives_is_not_waited_for(void **state)
{
	struct result old = create(net_and_disk("old"), 0);
	struct result r;

	(void)state;
	ask(wants("new", "", true), &r);
	assert_true(r.called);
	assert_int_equal(r.rc, -EBUSY);
	assert_int_equal(vm_destroy(old.vm, NULL), 0);
	nothing_is_left(0);
}

/* Between two lives the kernel knows of nothing; the VM has its disk and names all the same. */
static void who_restarts_keeps_what_it_has(void **state)
{
	struct vm_config c = net_and_disk("old");
	struct result old;
	struct result r;

	(void)state;
	(void)snprintf(c.device[0].u.vif.ifname, sizeof(c.device[0].u.vif.ifname), "web0");
	old = create(c, 0);
	work_for(3);
	fake_end(vm_domid(old.vm), SHUTDOWN_reboot);
	until(vm_state(old.vm) != VM_RUNNING);
	work_until(!vm_devices(old.vm)->waits_for);
	assert_int_equal(vm_state(old.vm), VM_BUILDING);
	assert_false(devices_test_any(en));
	ask(wants("thief", "", true), &r);
	assert_int_equal(r.rc, -EBUSY);
	assert_non_null(strstr(r.err.msg, "is in use by \"old\""));
	ask(wants("thief", "web0", false), &r);
	assert_int_equal(r.rc, -EEXIST);
	assert_non_null(strstr(r.err.msg, "is taken by \"old\""));
	assert_int_equal(vm_destroy(old.vm, NULL), 0);
	assert_false(devices_test_any_reservation(en));
	ask(wants("next", "web0", true), &r);
	assert_int_equal(r.rc, 0);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
}

static struct vm_config with_mac(const char *name, const uint8_t *mac)
{
	struct vm_config c = guest(name, DOM_PV, 4096);

	memset(c.uuid, 7, sizeof(c.uuid));
	c.have_uuid = mac == NULL;
	give(&c, vif("br0", ""));
	if (mac)
		memcpy(c.device[0].u.vif.mac, mac, 6);
	return c;
}

/* A MAC is made of the uuid; when another VM has it, the next one is taken. */
static void macs_are_one_vms(void **state)
{
	struct engine_conf conf_again = conf();
	struct vm *vm[3];
	struct result r;
	uint8_t mac[6];

	(void)state;
	r = create(with_mac("made", NULL), 0);
	memcpy(mac, vm_cfg(r.vm)->device[0].u.vif.mac, 6);
	ask(with_mac("same", mac), &r);
	assert_int_equal(r.rc, -EEXIST);
	assert_non_null(strstr(r.err.msg, "is taken by \"made\""));
	assert_int_equal(vm_destroy(engine_find(en, "made"), NULL), 0);
	r = create(with_mac("given", mac), 0);
	vm[0] = r.vm;
	vm[1] = create(with_mac("made", NULL), 0).vm;
	assert_non_null(vm[1]);
	mac[5]++;
	assert_memory_equal(vm_cfg(vm[1])->device[0].u.vif.mac, mac, 6);
	/* also of VMs that were adopted */
	work_for(3);
	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &conf_again, &en, NULL), 0);
	know_image(GUEST_NOOP);
	ask(with_mac("same", mac), &r);
	assert_int_equal(r.rc, -EEXIST);
	/* and of those that come at run time */
	vm[2] = create(other_guest("lin"), 0).vm;
	for (int i = 0; i < 2; i++) {
		struct device_config d = vif("br0", "");
		struct answer a = {0};

		memcpy(d.u.vif.mac, mac, 6);
		mac[0] = 2;
		vm_attach(vm[2], &d, on_device, &a);
		work_for(3);
		assert_int_equal(a.rc, i ? 0 : -EEXIST);
	}
	ask(with_mac("same", mac), &r);
	assert_int_equal(r.rc, -EEXIST);
	vm_detach(vm[2], DEVICE_VIF, 0, true, on_device, &(struct answer){0});
	ask(with_mac("same", mac), &r);
	assert_int_equal(r.rc, 0);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	assert_int_equal(vm_destroy(vm[2], NULL), 0);
	assert_int_equal(vm_destroy(engine_find(en, "given"), NULL), 0);
	assert_int_equal(vm_destroy(engine_find(en, "made"), NULL), 0);
	assert_false(devices_test_any_reservation(en));
	nothing_is_left(0);
}

/* The domain that is kept has the MAC no more. */
static void successors_have_the_mac(void **state)
{
	struct vm_config c = with_mac("web", NULL);
	struct result r;
	uint8_t mac[6];
	struct vm *next;

	(void)state;
	c.on_crash = VM_RENAME_RESTART;
	r = create(c, 0);
	work_for(3);
	memcpy(mac, vm_cfg(r.vm)->device[0].u.vif.mac, 6);
	fake_end(vm_domid(r.vm), SHUTDOWN_crash);
	until(vm_state(r.vm) != VM_RUNNING);
	next = engine_find(en, "web");
	assert_non_null(next);
	assert_ptr_not_equal(next, r.vm);
	assert_memory_equal(vm_cfg(next)->device[0].u.vif.mac, mac, 6);
	ask(with_mac("same", mac), &r);
	assert_int_equal(r.rc, -EEXIST);
	for (struct vm *vm = vms_alive(en), *after; vm; vm = after) {
		after = vm_next(vm);
		assert_int_equal(vm_destroy(vm, NULL), 0);
	}
	nothing_is_left(0);
}

/* Destroyed while it waits; the engine closes while one waits. */
static void waits_end(void **state)
{
	struct engine_conf c = conf();
	struct result r;
	uint32_t domid = destroyed_a_moment_ago();

	(void)state;
	ask(wants("new", "web0", true), &r);
	assert_int_equal(vm_destroy(engine_find(en, "new"), NULL), 0);
	assert_true(r.called);
	assert_int_equal(r.rc, -ECANCELED);
	assert_false(devices_test_any_waits(en));
	assert_int_equal(vm_state(engine_find(en, "new")), VM_ENDED);
	ask(wants("newer", "web0", true), &r);
	assert_false(r.called);
	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	assert_null(engine_find(en, "newer"));
	ask(wants("newer", "web0", false), &r); /* whose it is was known to the last daemon only */
	assert_false(r.called);
	kernel_del_link("web0");
	goes("vif", domid, 0);
	goes("vbd", domid, 51712);
	turn(&r.called);
	assert_int_equal(r.rc, 0);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	nothing_is_left(0);
}

static void attaches_wait(void **state)
{
	struct result lin = create(other_guest("lin"), 0);
	uint32_t domid = destroyed_a_moment_ago();
	struct device_config d = vbd();
	struct answer disk_there = {0};
	struct answer vif_there = {0};
	struct answer late = {0};

	(void)state;
	vm_attach(lin.vm, &d, on_device, &disk_there);
	d = vif("br0", "web0");
	vm_attach(lin.vm, &d, on_device, &vif_there);
	turn(NULL);
	assert_false(disk_there.called || vif_there.called);
	assert_int_equal(vm_cfg(lin.vm)->ndevice, 0);
	goes("vif", domid, 0);
	goes("vbd", domid, 51712);
	work_until(disk_there.called && vif_there.called);
	assert_int_equal(disk_there.rc, 0);
	assert_int_equal(vif_there.rc, 0);

	/* a device of its own that is leaving */
	vm_detach(lin.vm, DEVICE_VBD, 51712, false, on_device, &late);
	disk_there = (struct answer){0};
	d = vbd();
	vm_attach(lin.vm, &d, on_device, &disk_there);
	turn(NULL);
	assert_false(disk_there.called);
	goes("vbd", vm_domid(lin.vm), 51712);
	assert_true(late.called);
	work_until(disk_there.called);
	assert_int_equal(disk_there.rc, 0);

	/* the VM ends while it waits */
	late = (struct answer){0};
	vm_detach(lin.vm, DEVICE_VBD, 51712, false, on_device, &(struct answer){0});
	d = vbd();
	vm_attach(lin.vm, &d, on_device, &late);
	assert_int_equal(vm_destroy(lin.vm, NULL), 0);
	nothing_is_left(0);
	assert_true(late.called);
	assert_int_equal(late.rc, -ECANCELED);
}

static void attaches_end_with_the_engine(void **state)
{
	struct result lin = create(other_guest("lin"), 0);
	struct engine_conf c = conf();
	struct device_config d = vbd();
	struct answer a = {0};

	(void)state;
	(void)destroyed_a_moment_ago();
	vm_attach(lin.vm, &d, on_device, &a);
	assert_false(a.called);
	engine_close(en);
	fake_process_died();
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	assert_int_equal(vm_destroy(engine_find(en, "lin"), NULL), 0);
	kernel_del_link("web0");
	nothing_is_left(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(creates_wait),
		DEVICES(nobody_waits_for_ever),
		DEVICES(uuids_are_free_at_once),
		DEVICES(what_lives_is_not_waited_for),
		DEVICES(who_restarts_keeps_what_it_has),
		DEVICES(macs_are_one_vms),
		DEVICES(successors_have_the_mac),
		DEVICES(waits_end),
		DEVICES(attaches_wait),
		DEVICES(attaches_end_with_the_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
