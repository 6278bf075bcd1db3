/* SPDX-License-Identifier: BSD-3-Clause */
/* Saved VMs with devices: what the next life gets, what is refused, and that nothing is left. */
#include "split-toolstack/engine/life/migrate.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "tests/unit/engine/life/with_devices_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <noxs/abi.h>
#include <xen/sched.h>

static struct vm_config net_only(const char *name, enum dom_type type)
{
	struct vm_config c = guest(name, type, 4096);

	give(&c, vif("br0", ""));
	return c;
}

/* A whole save: one with disks suspends as it is asked to. */
static int saved(struct vm *vm, bool keep)
{
	int file = memfd_create("saved", MFD_CLOEXEC);
	bool disks = vm_cfg(vm)->device[vm_cfg(vm)->ndevice - 1].kind == DEVICE_VBD;
	struct saved s = {0};

	assert_int_equal(begin(vm, dup(file), keep ? VM_SAVE_KEEP : 0, &s), 0);
	if (disks) {
		assert_false(s.called);
		fake_end(vm_domid(vm), SHUTDOWN_suspend);
	}
	work_until(s.called);
	if (s.rc < 0)
		fail_msg("%s", s.err.msg);
	if (!keep) {
		assert_int_equal(vm_save_end(en, s.id, true, NULL), 0);
		work_until(kernel_nbackends() == 0);
	}
	return file;
}

static struct result restored(int file, const char *name, uint32_t flags)
{
	struct restored k = {0};

	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(
		engine_restore(en, dup(file), name, flags, on_restored, &k, &k.st, &k.id, &k.r.err),
		0);
	work_until(k.r.called);
	return k.r;
}

static void page_of(const struct vm *vm, struct noxs_page *out)
{
	const struct noxs_page *p = fake_page(vm_domid(vm), vm_dev_frame(vm));

	assert_non_null(p);
	*out = *p;
	(void)munmap((void *)(uintptr_t)p, 4096);
	assert_true(out->flags & NOXS_FLAG_RESUMED);
}

static void gone(struct vm *vm)
{
	char name[VM_NAME_MAX + 1];

	(void)snprintf(name, sizeof(name), "%s", vm_name(vm));
	assert_int_equal(vm_destroy(vm, NULL), 0);
	work_until(kernel_nbackends() == 0);
	assert_int_equal(vm_rm(engine_find(en, name), NULL), 0);
}

static void same_vm_has_its_devices_again(void **state)
{
	static const enum dom_type types[] = {DOM_PV, DOM_PVH};
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct vm_config c = net_only("web", types[i]);
		struct noxs_page p;
		struct result r;
		uint8_t mac[6];
		struct vm *vm;
		int file;

		give(&c, vbd());
		vm = with(c, CAN);
		memcpy(mac, vm_cfg(vm)->device[0].u.vif.mac, 6);
		file = saved(vm, false);
		r = restored(file, NULL, 0);
		if (r.rc < 0)
			fail_msg("%s", r.err.msg);
		assert_int_equal(connected(r.vm), 2); /* or it would not have been answered */
		page_of(r.vm, &p);
		assert_int_equal(p.ndev, 2);
		assert_memory_equal(p.dev[0].u.vif.mac, mac, 6);
		assert_int_equal(p.dev[1].u.vbd.sectors, (1 << 20) / 512);
		assert_true(p.dev[0].ring[0].gref && p.dev[1].ring[0].gref);
		gone(r.vm);
		(void)close(file);
	}
	nothing_is_left(0);
}

static void copy_has_a_mac_of_its_own(void **state)
{
	struct vm *vm = with(net_only("web", DOM_PVH), CAN);
	int file = saved(vm, true);
	struct result r = restored(file, "copy", 0);
	struct noxs_page p;

	(void)state;
	assert_int_equal(r.rc, 0);
	page_of(r.vm, &p);
	assert_memory_not_equal(vm_cfg(r.vm)->device[0].u.vif.mac, vm_cfg(vm)->device[0].u.vif.mac,
				6);
	assert_memory_equal(p.dev[0].u.vif.mac, vm_cfg(r.vm)->device[0].u.vif.mac, 6);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	gone(r.vm);
	(void)close(file);
	nothing_is_left(0);
}

static void copies_share_no_disk_that_is_written(void **state)
{
	struct vm_config c = net_and_disk("web");
	struct vm *vm = with(c, CAN);
	int file = saved(vm, true);
	struct result r = restored(file, "copy", 0);
	struct noxs_page p;

	(void)state;
	assert_int_equal(r.rc, -EBUSY);
	assert_non_null(strstr(r.err.msg, "--disk"));
	r = restored(file, "copy", VM_RESTORE_DISKS_KEEP);
	assert_int_equal(r.rc, -EBUSY);
	r = restored(file, "copy", VM_RESTORE_DISKS_READONLY);
	assert_int_equal(r.rc, -EBUSY); /* the other one writes it */
	assert_null(engine_find(en, "copy"));
	r = restored(file, "copy", VM_RESTORE_DISKS_NONE);
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	page_of(r.vm, &p);
	assert_int_equal(p.ndev, 1);
	says(r.vm, CAN);
	(void)close(file);
	/* and that one can be saved again: its memory is laid out as before */
	file = saved(r.vm, true);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	gone(r.vm);
	(void)close(file);
	nothing_is_left(0);
}

static void what_is_wrong_is_said_before_there_is_a_domain(void **state)
{
	struct vm *vm = with(net_and_disk("web"), CAN);
	int file = saved(vm, false);
	char away[80];
	struct result r;

	(void)state;
	assert_int_equal(truncate(disk, 2 << 20), 0);
	r = restored(file, NULL, 0);
	assert_int_equal(r.rc, -EINVAL);
	assert_non_null(strstr(r.err.msg, "when the VM was saved"));
	assert_int_equal(truncate(disk, 1 << 20), 0);
	(void)snprintf(away, sizeof(away), "%s.away", disk);
	assert_int_equal(rename(disk, away), 0);
	r = restored(file, NULL, 0);
	assert_int_equal(r.rc, -ENOENT);
	assert_int_equal(rename(away, disk), 0);
	r = restored(file, NULL, 0); /* of the same size again, but not the same */
	assert_int_equal(r.rc, -ESTALE);
	kernel_del_link("br0");
	uevent("remove@/x|ACTION=remove|DEVPATH=/x|SUBSYSTEM=net|INTERFACE=br0|IFINDEX=999");
	r = restored(file, NULL, 0);
	assert_int_equal(r.rc, -ENODEV);
	(void)kernel_add_link("br0", true, 1500);
	settle(0);
	/* the host does not know the VM any more: the file alone does not decide what is opened */
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	r = restored(file, NULL, 0);
	assert_int_equal(r.rc, -EPERM);
	r = restored(file, NULL, VM_RESTORE_DISKS_KEEP);
	assert_int_equal(r.rc, 0);
	gone(r.vm);
	(void)close(file);
	nothing_is_left(0);
}

static void others_are_not_saved(void **state)
{
	struct vm *vm = with(net_and_disk("web"), CAN & ~NOXS_CAN_DEVICES);
	struct saved s;

	(void)state;
	assert_int_equal(begin(vm, memfd_create("f", MFD_CLOEXEC), 0, &s), -EOPNOTSUPP);
	says(vm, CAN & ~NOXS_CAN_SUSPEND);
	assert_int_equal(begin(vm, memfd_create("f", MFD_CLOEXEC), 0, &s), -EOPNOTSUPP);
	/* paused, it cannot say that its requests are answered */
	says(vm, CAN);
	assert_int_equal(vm_pause(vm, NULL), 0);
	assert_int_equal(begin(vm, memfd_create("f", MFD_CLOEXEC), 0, &s), -EBUSY);
	assert_int_equal(vm_state(vm), VM_PAUSED);
	assert_int_equal(vm_unpause(vm, NULL), 0);
	/* its disk is not where it was */
	assert_int_equal(begin(vm, memfd_create("f", MFD_CLOEXEC), 0, &s), 0);
	assert_int_equal(unlink(disk), 0);
	fake_end(vm_domid(vm), SHUTDOWN_suspend);
	work_until(s.called);
	assert_int_equal(s.rc, -ENOENT);
	work_until(vm_state(vm) == VM_RUNNING);
	assert_int_equal(close(open(disk, O_CREAT | O_RDWR | O_CLOEXEC, 0600)), 0);
	gone(vm);
	nothing_is_left(0);
}

/* Its name and MAC are free at once, whatever it waits for. */
static void destroyed_while_it_waits_for_its_disk(void **state)
{
	struct vm *vm = with(net_and_disk("web"), CAN);
	int file = saved(vm, true);
	struct restored k = {0};

	(void)state;
	assert_int_equal(vm_destroy(vm, NULL), 0); /* its backends are still there */
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(
		engine_restore(en, dup(file), NULL, 0, on_restored, &k, &k.st, &k.id, &k.r.err), 0);
	until(k.r.called || (engine_find(en, "web") && engine_find(en, "web") != vm));
	assert_false(k.r.called);
	assert_int_equal(vm_destroy(engine_find(en, "web"), NULL), 0);
	assert_true(k.r.called);
	assert_int_equal(k.r.rc, -ECANCELED);
	work_until(kernel_nbackends() == 0);
	(void)close(file);
	nothing_is_left(0);
}

static void copies_have_disks_of_their_own(void **state)
{
	struct vm_config c = net_and_disk("web");
	struct vm *vm;
	char path[80];
	struct stat st;
	struct result r;
	int file;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s.copy", disk);
	assert_int_equal(chmod(disk, 0640), 0);
	vm = with(c, CAN);
	file = saved(vm, false);
	/* what was made goes when the rest fails */
	kernel_del_link("br0");
	uevent("remove@/x|ACTION=remove|DEVPATH=/x|SUBSYSTEM=net|INTERFACE=br0|IFINDEX=999");
	r = restored(file, "copy", VM_RESTORE_DISKS_COPY);
	assert_int_equal(r.rc, -ENODEV);
	work_until(stat(path, &st) < 0);
	(void)kernel_add_link("br0", true, 1500);
	r = restored(file, "copy", VM_RESTORE_DISKS_COPY);
	if (r.rc < 0)
		fail_msg("%s", r.err.msg);
	assert_string_equal(vm_cfg(r.vm)->device[1].u.vbd.path, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 1 << 20);
	assert_int_equal(st.st_mode & 0777, 0640);
	gone(r.vm);
	/* nothing is written over */
	r = restored(file, "copy", VM_RESTORE_DISKS_COPY);
	assert_int_equal(r.rc, -EEXIST);
	assert_int_equal(unlink(path), 0); /* its user's */
	assert_int_equal(vm_rm(engine_find(en, "web"), NULL), 0);
	(void)close(file);
	nothing_is_left(0);
}

/* What was copied for one that was given up goes, and nothing else that has its name by then. */
static void given_up_leaves_no_copies(void **state)
{
	struct vm *vm = with(net_and_disk("web"), CAN);
	int file = saved(vm, false);
	char path[80], away[90];
	struct restored k;
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s.web", disk);
	(void)snprintf(away, sizeof(away), "%s.away", path);
	for (int turn = 0; turn < 3; turn++) {
		k = (struct restored){0};
		assert_int_equal(lseek(file, 0, SEEK_SET), 0);
		assert_int_equal(engine_restore(en, dup(file), NULL,
						VM_CREATE_ARRIVING | VM_RESTORE_DISKS_COPY,
						on_restored, &k, &k.st, &k.id, &k.r.err),
				 0);
		work_until(k.r.called);
		if (k.r.rc < 0)
			fail_msg("%s", k.r.err.msg);
		assert_int_equal(stat(path, &st), 0);
		if (turn == 1) {
			assert_int_equal(rename(path, away), 0);
			assert_int_equal(close(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600)), 0);
		}
		if (turn == 2)
			break;
		(void)vm_arrival_end(en, k.id, false, NULL);
		work_until(kernel_nbackends() == 0);
		if (turn == 0)
			work_until(stat(path, &st) < 0);
		work_for(50);
		assert_int_equal(stat(path, &st), turn == 1 ? 0 : -1);
		if (turn == 1)
			assert_true(unlink(path) == 0 && unlink(away) == 0);
	}
	assert_int_equal(vm_arrival_end(en, k.id, true, NULL), 0);
	work_for(50);
	assert_int_equal(stat(path, &st), 0);
	gone(k.r.vm);
	assert_int_equal(unlink(path), 0);
	(void)close(file);
	nothing_is_left(0);
}

/* Its source is told that it can end only when the devices are there, too. */
static void arrives_with_its_devices(void **state)
{
	struct vm *vm = with(net_only("web", DOM_PVH), CAN);
	int file = saved(vm, false);
	struct restored k = {0};

	(void)state;
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(engine_restore(en, dup(file), NULL, VM_CREATE_ARRIVING, on_restored, &k,
					&k.st, &k.id, &k.r.err),
			 0);
	until(life_now(engine_find(en, "web")) == NOW_CONNECTING);
	assert_false(k.r.called);
	work_until(k.r.called);
	assert_int_equal(k.r.rc, 0);
	assert_int_equal(life_now(k.r.vm), NOW_ARRIVING);
	assert_int_equal(connected(k.r.vm), 1);
	assert_int_equal(vm_arrival_end(en, k.id, true, NULL), 0);
	assert_int_equal(vm_state(k.r.vm), VM_RUNNING);
	gone(k.r.vm);
	(void)close(file);
	nothing_is_left(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(same_vm_has_its_devices_again),
		DEVICES(copy_has_a_mac_of_its_own),
		DEVICES(copies_share_no_disk_that_is_written),
		DEVICES(what_is_wrong_is_said_before_there_is_a_domain),
		DEVICES(others_are_not_saved),
		DEVICES(destroyed_while_it_waits_for_its_disk),
		DEVICES(copies_have_disks_of_their_own),
		DEVICES(given_up_leaves_no_copies),
		DEVICES(arrives_with_its_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
