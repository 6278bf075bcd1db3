/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of running VMs with devices: each has its own; what is refused; calls that fail. */
#include "split-toolstack/engine/life/branch.h"
#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/vm/parts.h"
#include "tests/unit/engine/life/with_devices_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <noxs/abi.h>
#include <xen/sched.h>

struct copies {
	bool over;
	uint32_t made;
	int rc;
	struct vm *vm[4];
	stream_id id;
	struct err err;
};

static bool on_made(void *arg, struct vm *copy, const struct vm_timings *t)
{
	struct copies *c = arg;

	(void)t;
	assert_true(c->made < 4);
	c->vm[c->made++] = copy;
	return true;
}

static void on_done(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct copies *c = arg;

	(void)st;
	assert_false(c->over);
	c->over = true;
	c->rc = rc;
	if (rc < 0)
		c->err = *e;
}

static const struct branch_ops ops = {.made = on_made, .done = on_done};

static int begin_branch(struct vm *vm, struct branch_want w, struct copies *c)
{
	memset(c, 0, sizeof(*c));
	return vm_branch(vm, &w, &ops, c, &c->id, &c->err);
}

/* The whole of it; a VM with disks is asked to suspend. */
static void branch(struct vm *vm, struct branch_want w, struct copies *c)
{
	bool disks = vm_cfg(vm)->device[vm_cfg(vm)->ndevice - 1].kind == DEVICE_VBD;

	if (begin_branch(vm, w, c) < 0)
		fail_msg("%s", c->err.msg);
	if (disks) {
		assert_int_equal(vm_state(vm), VM_SAVING);
		fake_end(vm_domid(vm), SHUTDOWN_suspend);
	}
	work_until(c->over);
	if (c->rc < 0)
		fail_msg("%s", c->err.msg);
	assert_int_equal(c->made, w.count);
}

static void page_of(const struct vm *vm, struct noxs_page *out)
{
	void *p = fake_page(vm_domid(vm), vm_dev_frame(vm));

	assert_non_null(p);
	memcpy(out, p, sizeof(*out));
	(void)munmap(p, 4096);
}

static void goes_on(struct vm *vm, uint32_t devices)
{
	assert_int_equal(vm_state(vm), VM_RUNNING);
	is_paused(vm, false);
	assert_int_equal(connected(vm), devices);
}

static void end(struct vm *vm)
{
	assert_int_equal(vm_destroy(vm, NULL), 0);
	work_for(5);
}

static void all_has_gone(void)
{
	work_until(streams_test_count(en) == 0 && kernel_nbackends() == 0);
	assert_int_equal(streams_test_memory(en), 0);
	nothing_is_left(0);
}

static void each_has_a_vif_of_its_own(void **state)
{
	static const uint64_t sizes[] = {256, 4096}; /* taken on the loop, or by a thread */

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct vm *vm = with_vif("web", i & 1 ? DOM_PVH : DOM_PV, sizes[i / 2]);
		struct noxs_page before;
		struct noxs_page page;
		struct copies c;

		page_of(vm, &before);
		assert_false(is_pinned(vm));
		branch(vm, (struct branch_want){.count = 2}, &c);
		assert_true(is_pinned(vm));
		assert_true(is_pinned(c.vm[0]));
		assert_true(is_pinned(c.vm[1]));
		for (uint32_t k = 0; k < 2; k++) {
			const uint8_t *mac = vm_cfg(c.vm[k])->device[0].u.vif.mac;

			goes_on(c.vm[k], 1); /* it is connected when it is answered */
			is_resumed(c.vm[k]);
			page_of(c.vm[k], &page);
			assert_int_equal(page.ndev, 1);
			assert_memory_equal(page.dev[0].u.vif.mac, mac, 6);
			assert_memory_not_equal(mac, before.dev[0].u.vif.mac, 6);
		}
		assert_memory_not_equal(vm_cfg(c.vm[0])->device[0].u.vif.mac,
					vm_cfg(c.vm[1])->device[0].u.vif.mac, 6);
		goes_on(vm, 1);
		page_of(vm, &page);
		assert_memory_equal(page.dev, before.dev, sizeof(before.dev));
		assert_int_equal(page.generation, before.generation);
		/* a copy does not depend on what it was copied from, and can be copied */
		end(vm);
		end(c.vm[1]);
		says(c.vm[0], CAN);
		vm = c.vm[0];
		branch(vm, (struct branch_want){.count = 1, .name = "other"}, &c);
		goes_on(c.vm[0], 1);
		end(vm);
		end(c.vm[0]);
		all_has_gone();
	}
}

static void one_has_the_address_that_is_given(void **state)
{
	struct vm *vm = with_vif("web", DOM_PVH, 256);
	struct vif_config v = {.mac = {2, 0, 0, 0, 0, 9}};
	struct copies c;

	(void)state;
	assert_int_equal(begin_branch(vm, (struct branch_want){.count = 2, .vif = &v}, &c),
			 -EINVAL);
	branch(vm, (struct branch_want){.count = 1, .vif = &v}, &c);
	assert_memory_equal(vm_cfg(c.vm[0])->device[0].u.vif.mac, v.mac, 6);
	end(vm);
	vm = c.vm[0];
	assert_int_equal(begin_branch(vm, (struct branch_want){.count = 1, .vif = &v}, &c), 0);
	work_until(c.over);
	assert_int_equal(c.rc, -EEXIST); /* it says so itself again, and another has it */
	goes_on(vm, 1);
	end(vm);
	all_has_gone();
}

static void disks_that_are_written_are_not_shared(void **state)
{
	static const uint32_t refused[] = {0, VM_RESTORE_DISKS_KEEP, VM_RESTORE_DISKS_READONLY};
	struct vm *vm = with(net_and_disk("web"), CAN);
	struct noxs_page page;
	struct copies c;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(
			begin_branch(vm, (struct branch_want){.count = 1, .flags = refused[i]}, &c),
			-EBUSY);
		assert_non_null(strstr(c.err.msg, "--disk copy or none"));
		goes_on(vm, 2);
	}
	branch(vm, (struct branch_want){.count = 1, .flags = VM_RESTORE_DISKS_NONE}, &c);
	page_of(c.vm[0], &page);
	assert_int_equal(page.ndev, 1);
	work_until(vm_state(vm) == VM_RUNNING);
	goes_on(vm, 2);
	end(c.vm[0]);
	/* paused, it cannot say that its requests are answered */
	assert_int_equal(vm_pause(vm, NULL), 0);
	assert_int_equal(
		begin_branch(vm, (struct branch_want){.count = 1, .flags = VM_RESTORE_DISKS_NONE},
			     &c),
		-EBUSY);
	assert_int_equal(vm_unpause(vm, NULL), 0);
	says(vm, CAN & ~NOXS_CAN_DEVICES);
	assert_int_equal(
		begin_branch(vm, (struct branch_want){.count = 1, .flags = VM_RESTORE_DISKS_NONE},
			     &c),
		-EOPNOTSUPP);
	goes_on(vm, 2);
	end(vm);
	all_has_gone();
}

static void write_disk(const char *path, off_t at, char byte)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	assert_int_equal(close(fd), 0);
}

static char read_disk(const char *path, off_t at)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char byte = 0;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	assert_int_equal(close(fd), 0);
	return byte;
}

/* The copies cannot be made. */
static void no_copies(struct vm *vm, struct branch_want want, int rc, struct copies *c)
{
	work_until(vm_state(vm) == VM_RUNNING);
	assert_int_equal(begin_branch(vm, want, c), 0);
	fake_end(vm_domid(vm), SHUTDOWN_suspend);
	work_until(c->over);
	assert_int_equal(c->rc, rc);
	assert_true(c->err.msg[0]);
}

/* They have the contents of the moment at which the VM was stopped. */
static void disks_are_copied(void **state)
{
	const struct branch_want want = {
		.count = 2, .name = "copy", .flags = VM_RESTORE_DISKS_COPY};
	struct vm *vm = with(net_and_disk("web"), CAN);
	char path[2][80];
	struct copies c;
	struct stat st;

	(void)state;
	for (int i = 0; i < 2; i++)
		(void)snprintf(path[i], sizeof(path[i]), "%s.copy-%d", disk, i + 1);
	write_disk(disk, 70000, 'x');
	branch(vm, want, &c);
	write_disk(disk, 70000, 'y');
	goes_on(vm, 2);
	for (int i = 0; i < 2; i++) {
		goes_on(c.vm[i], 2);
		assert_string_equal(vm_cfg(c.vm[i])->device[1].u.vbd.path, path[i]);
		assert_int_equal(read_disk(path[i], 70000), 'x');
		assert_int_equal(stat(path[i], &st), 0);
		assert_int_equal(st.st_size, 1 << 20);
	}
	write_disk(path[0], 70000, 'z');
	assert_int_equal(read_disk(path[1], 70000), 'x');
	end(c.vm[0]);
	end(c.vm[1]);
	/* a file that is there is not written over */
	assert_int_equal(unlink(path[0]), 0);
	no_copies(vm, want, -EEXIST, &c);
	assert_int_equal(c.made, 1);
	end(c.vm[0]);
	assert_int_equal(unlink(path[0]), 0);
	assert_int_equal(unlink(path[1]), 0);
	/* what was copied for a VM that cannot be made is removed */
	kernel_del_link("br0");
	uevent("remove@/x|ACTION=remove|DEVPATH=/x|SUBSYSTEM=net|INTERFACE=br0|IFINDEX=999");
	no_copies(vm, want, -ENODEV, &c);
	work_until(stat(path[0], &st) < 0);
	(void)kernel_add_link("br0", true, 1500);
	settle(1);
	/* its disk has another name meanwhile */
	assert_int_equal(unlink(disk), 0);
	no_copies(vm, want, -ENOENT, &c);
	assert_int_equal(close(open(disk, O_CREAT | O_RDWR | O_CLOEXEC, 0600)), 0);
	/* given up while it is stopped */
	work_until(vm_state(vm) == VM_RUNNING);
	assert_int_equal(begin_branch(vm, want, &c), 0);
	vm_branch_cancel(en, c.id);
	work_until(streams_test_count(en) == 0 && vm_state(vm) == VM_RUNNING);
	assert_false(c.over);
	end(vm);
	all_has_gone();
}

static void disks_that_are_read_are_shared(void **state)
{
	struct vm_config cfg = guest("web", DOM_PVH, 4096);
	struct device_config d = vbd();
	struct copies c;
	struct vm *vm;

	(void)state;
	d.u.vbd.readonly = true;
	give(&cfg, d);
	vm = with(cfg, CAN);
	branch(vm, (struct branch_want){.count = 2}, &c);
	goes_on(c.vm[1], 1);
	assert_true(vm_cfg(c.vm[1])->device[0].u.vbd.readonly);
	end(vm);
	end(c.vm[0]);
	end(c.vm[1]);
	all_has_gone();
}

/* Each call that can fail does so once: the VM continues, and nothing is left of copies. */
static void calls_may_fail(void **state)
{
	(void)state;
	for (int type = DOM_PV; type <= DOM_PVH; type++) {
		struct vm *vm = with_vif("web", (enum dom_type)type, type == DOM_PV ? 256 : 4096);
		struct copies c;

		branch(vm, (struct branch_want){.count = 1}, &c); /* the threads have handles */
		end(c.vm[0]);
		for (uint32_t n = 1;; n++) {
			bool failed;
			int rc;

			fake_fail_at(n, n % 2 ? ENOMEM : EIO);
			rc = begin_branch(vm, (struct branch_want){.count = 1}, &c);
			if (rc == 0)
				work_until(c.over);
			rc = rc == 0 ? c.rc : rc;
			failed = fake_failed() != NULL;
			fake_fail_at(0, 0);
			if (rc < 0 && c.err.msg[0] == '\0')
				fail_msg("call %u: no words", n);
			if (rc == 0)
				end(c.vm[0]);
			work_until(streams_test_count(en) == 0 && kernel_nbackends() == 1);
			if (vm_state(vm) == VM_PAUSED) /* it could not be unpaused */
				assert_int_equal(vm_unpause(vm, NULL), 0);
			goes_on(vm, 1);
			assert_int_equal(streams_test_memory(en), 0);
			if (rc == 0 && !failed)
				break;
		}
		end(vm);
		all_has_gone();
	}
}

/* Its bridge goes after the state was taken. */
static void a_device_does_not_come(void **state)
{
	struct vm *vm = with_vif("web", DOM_PVH, 256);
	struct copies c;

	(void)state;
	kernel_del_link("br0");
	uevent("remove@/x|ACTION=remove|DEVPATH=/x|SUBSYSTEM=net|INTERFACE=br0|IFINDEX=999");
	assert_int_equal(begin_branch(vm, (struct branch_want){.count = 1}, &c), 0);
	work_until(c.over);
	assert_int_equal(c.rc, -ENODEV);
	(void)kernel_add_link("br0", true, 1500);
	settle(1);
	assert_int_equal(vm_state(vm), VM_RUNNING);
	is_paused(vm, false);
	end(vm);
	all_has_gone();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICES(each_has_a_vif_of_its_own),
		DEVICES(one_has_the_address_that_is_given),
		DEVICES(disks_that_are_written_are_not_shared),
		DEVICES(disks_that_are_read_are_shared),
		DEVICES(disks_are_copied),
		DEVICES(calls_may_fail),
		DEVICES(a_device_does_not_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
