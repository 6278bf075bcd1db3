/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices that are refused before anything is made. */
#include "tests/unit/engine/engine_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dom0/loopdev.h"
#include "split-toolstack/engine/devices/devices_test.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vm_test.h"

static struct result create_with(struct device_config *d)
{
	struct vm_config c = guest("dev", DOM_PV, 256);

	c.device = malloc(sizeof(*d));
	assert_non_null(c.device);
	c.device[0] = *d;
	c.ndevice = 1;
	return create(c, 0);
}

static void refused(struct device_config *d, int rc, const char *words)
{
	struct result r = create_with(d);

	if (r.rc != rc || !strstr(r.err.msg, words))
		fail_msg("%d \"%s\", not %d \"%s\"", r.rc, r.err.msg, rc, words);
	only_the_daemon_is_left();
	assert_null(engine_find(en, "dev"));
}

static void vif(struct device_config *d, const char *bridge, const char *ifname)
{
	device_config_init(d, DEVICE_VIF);
	(void)snprintf(d->u.vif.bridge, sizeof(d->u.vif.bridge), "%s", bridge);
	(void)snprintf(d->u.vif.ifname, sizeof(d->u.vif.ifname), "%s", ifname);
}

static void vbd(struct device_config *d, const char *path, bool readonly)
{
	device_config_init(d, DEVICE_VBD);
	d->devid = 51712;
	d->u.vbd.path = strdup(path);
	d->u.vbd.readonly = readonly;
}

static void vifs_are_refused_early(void **state)
{
	struct device_config d;

	(void)state;
	vif(&d, "nonesuch0", "");
	refused(&d, -ENODEV, "there is no bridge \"nonesuch0\"");
	vif(&d, "a/b", "");
	refused(&d, -EINVAL, "not a name for an interface");
	vif(&d, "", "vif7.0");
	refused(&d, -EINVAL, "choose another");
	vif(&d, "", "");
	d.u.vif.mac[0] = 1;
	refused(&d, -EINVAL, "multicast");
	vif(&d, "", "");
	d.u.vif.mtu = 10;
	refused(&d, -EINVAL, "mtu 10");
}

static void disks_are_refused_early(void **state)
{
	char path[] = "/tmp/chaos-admit-XXXXXX";
	struct device_config d;
	struct err e = {0};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	vbd(&d, "/nonexistent/disk", false);
	refused(&d, -ENOENT, "disk xvda: /nonexistent/disk: cannot be opened: No such file");
	vbd(&d, "/tmp", false);
	refused(&d, -EINVAL, "/tmp: is a folder");
	vbd(&d, "/dev/null", true);
	refused(&d, -EINVAL, "/dev/null: is neither");
	vbd(&d, path, false);
	refused(&d, -EINVAL, "is empty");
	vbd(&d, "/nonexistent/disk", false); /* a relative one: as in xl */
	d.u.vbd.or_path = strdup("/dev/nonexistent");
	refused(&d, -ENOENT, "/nonexistent/disk: neither that nor /dev/nonexistent is there");
	vbd(&d, "/nonexistent/disk", false);
	d.u.vbd.or_path = strdup(path);
	refused(&d, -EINVAL, "is empty");
	assert_int_equal(pwrite(fd, "QFI\xfb", 4, 0), 4);
	assert_int_equal(ftruncate(fd, 65536), 0);
	vbd(&d, path, false);
	refused(&d, -EINVAL, "is a qcow2 image");
	assert_int_equal(pwrite(fd, "\0\0\0\0", 4, 0), 4);
	assert_int_equal(disk_lock(fd, false, &e), 0);
	vbd(&d, path, true);
	refused(&d, -EBUSY, "locked by another VM");
	device_config_init(&d, DEVICE_VBD);
	refused(&d, -EINVAL, "has no target");
	(void)close(fd);
	assert_int_equal(unlink(path), 0);
}

/* A file of a megabyte in a folder of its own, with a link and a hard link to it. */
static char disks[32], file[64], soft[64], hard[64];

static void make_disk(void)
{
	int fd;

	(void)snprintf(disks, sizeof(disks), "/tmp/chaos-disks-XXXXXX");
	assert_non_null(mkdtemp(disks));
	(void)snprintf(file, sizeof(file), "%s/a.img", disks);
	(void)snprintf(soft, sizeof(soft), "%s/b.img", disks);
	(void)snprintf(hard, sizeof(hard), "%s/c.img", disks);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	(void)close(fd);
	assert_int_equal(symlink(file, soft), 0);
	assert_int_equal(link(file, hard), 0);
}

static void remove_disk(void)
{
	assert_int_equal(unlink(file), 0);
	assert_int_equal(unlink(soft), 0);
	assert_int_equal(unlink(hard), 0);
	assert_int_equal(rmdir(disks), 0);
}

/* With one path as xvda and another as xvdb. */
static struct result create_two(const char *first, const char *second, bool readonly)
{
	struct vm_config c = guest("dev", DOM_PV, 256);

	c.device = calloc(2, sizeof(*c.device));
	assert_non_null(c.device);
	vbd(&c.device[0], first, readonly);
	vbd(&c.device[1], second, readonly);
	c.device[1].devid = 51728;
	c.ndevice = 2;
	return create(c, 0);
}

/* By the same path, by a link, by a hard link: one disk is one disk. */
static void a_disk_is_given_once(void **state)
{
	struct result r;

	(void)state;
	make_disk();
	r = create_two(file, file, false);
	assert_int_equal(r.rc, -EEXIST);
	assert_non_null(strstr(r.err.msg, "a.img is given twice"));
	r = create_two(file, soft, false);
	assert_int_equal(r.rc, -EEXIST);
	assert_non_null(strstr(r.err.msg, "b.img is given twice: it is "));
	assert_non_null(strstr(r.err.msg, "a.img, which is xvda"));
	r = create_two(soft, hard, false);
	assert_int_equal(r.rc, -EEXIST);
	assert_non_null(strstr(r.err.msg, "c.img is given twice"));
	only_the_daemon_is_left();
	remove_disk();
}

/* As if it had been opened. */
static void is_known(struct device_config *d)
{
	struct stat st;

	assert_int_equal(stat(d->u.vbd.path, &st), 0);
	d->u.vbd.dev = st.st_dev;
	d->u.vbd.ino = st.st_ino;
}

/* Also between two lives of the VM that has it, when no backend does. */
static void a_disk_is_one_vms(void **state)
{
	struct vm_config c;
	struct vm *owner = vm_new(en);
	struct device_config d;
	struct err e = {0};

	(void)state;
	make_disk();
	vm_config_init(&c);
	vbd(&d, file, false);
	is_known(&d);
	assert_non_null(owner);
	vm_test_set_name(owner, "owner");
	*vm_change_cfg(owner) = c;
	vm_change_cfg(owner)->device = &d;
	vm_change_cfg(owner)->ndevice = 1;
	assert_int_equal(reservations_take(owner, &e), 0);
	{
		const char *const path[] = {file, soft, hard};

		for (int i = 0; i < 3; i++) {
			struct device_config other;

			vbd(&other, path[i], true);
			is_known(&other);
			assert_int_equal(devices_test_disk_admit(en, NULL, &other, &e), -EBUSY);
			assert_non_null(strstr(e.msg, path[i]));
			assert_non_null(strstr(e.msg, "is in use by \"owner\""));
			assert_int_equal(devices_test_disk_admit(en, owner, &other, &e), 0);
			device_config_clear(&other);
		}
	}
	reservations_drop(owner);
	d.u.vbd.readonly = true; /* several may read */
	assert_int_equal(reservations_take(owner, &e), 0);
	{
		struct device_config other;

		vbd(&other, soft, true);
		is_known(&other);
		assert_int_equal(devices_test_disk_admit(en, NULL, &other, &e), 0);
		other.u.vbd.readonly = false;
		assert_int_equal(devices_test_disk_admit(en, NULL, &other, &e), -EBUSY);
		device_config_clear(&other);
	}
	reservations_drop(owner);
	vm_config_init(vm_change_cfg(owner));
	vm_free(owner);
	device_config_clear(&d);
	remove_disk();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(vifs_are_refused_early),
		LIFE(disks_are_refused_early),
		LIFE(a_disk_is_given_once),
		LIFE(a_disk_is_one_vms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
