/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations with devices, and the kernel's part of their lives. */
#include "tests/unit/engine/devices_help.h"
#include "split-toolstack/engine/parts/parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char disk[64];

int devices_start_test(void **state)
{
	int fd;

	kernel_reset();
	(void)kernel_add_link("br0", true, 1500);
	(void)kernel_add_link("br1", true, 9000);
	(void)snprintf(disk, sizeof(disk), "/tmp/chaos-disk-XXXXXX");
	fd = mkstemp(disk);
	if (fd < 0 || ftruncate(fd, 1 << 20) < 0 || close(fd) < 0)
		return -1;
	return setup(state);
}

int devices_stop_test(void **state)
{
	int rc = teardown(state);

	return unlink(disk) < 0 ? -1 : rc;
}

/* --- configurations --- */

struct device_config vif(const char *bridge, const char *name)
{
	struct device_config d;

	device_config_init(&d, DEVICE_VIF);
	(void)snprintf(d.u.vif.bridge, sizeof(d.u.vif.bridge), "%s", bridge);
	(void)snprintf(d.u.vif.ifname, sizeof(d.u.vif.ifname), "%s", name);
	return d;
}

struct device_config vbd(void)
{
	struct device_config d;

	device_config_init(&d, DEVICE_VBD);
	d.devid = 51712;
	d.u.vbd.path = strdup(disk);
	return d;
}

void give(struct vm_config *c, struct device_config d)
{
	c->device = realloc(c->device, (c->ndevice + 1) * sizeof(d));
	assert_non_null(c->device);
	c->device[c->ndevice++] = d;
}

struct vm_config net_and_disk(const char *name)
{
	struct vm_config c = guest(name, DOM_PV, 4096);

	give(&c, vif("br0", ""));
	give(&c, vbd());
	return c;
}

/* Makes the handshake itself. */
struct vm_config other_guest(const char *name)
{
	struct vm_config c = guest(name, DOM_PVH, 4096);

	free(c.kernel);
	c.kernel = strdup(GUEST_VIEW);
	return c;
}

/* --- the kernel --- */

/* Fields are parted by '|'. */
void uevent(const char *fmt, ...)
{
	char text[256];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	len = strlen(text);
	for (size_t i = 0; i < len; i++)
		if (text[i] == '|')
			text[i] = '\0';
	devices_test_uevent(en, text, len);
}

void say_state(const char *kind, uint32_t domid, uint32_t devid, uint32_t state)
{
	struct devtree_id id = {kind, domid, devid};
	char at[DEVTREE_PATH_MAX];

	devtree_back(&id, "state", at);
	assert_int_equal(store_putf(engine_store(en), at, "%u", state), 0);
}

bool has_nodes(const char *kind, uint32_t domid, uint32_t devid)
{
	struct devtree_id id = {kind, domid, devid};
	char at[DEVTREE_PATH_MAX];
	uint32_t len;

	devtree_back(&id, "online", at);
	return store_get(engine_store(en), at, &len) != NULL;
}

void interface_comes(uint32_t domid, uint32_t devid)
{
	char name[16];
	int ifindex;

	(void)snprintf(name, sizeof(name), "vif%u.%u", domid, devid);
	ifindex = kernel_add_link(name, false, 1500);
	uevent("add@/devices/x|ACTION=add|DEVPATH=/devices/vif-%u-%u/net/%s|SUBSYSTEM=net|"
	       "INTERFACE=%s|IFINDEX=%d",
	       domid, devid, name, name, ifindex);
}

static void appears(const char *kind, uint32_t domid, uint32_t devid)
{
	kernel_add_backend(kind, domid, devid);
	if (strcmp(kind, "vif") == 0)
		interface_comes(domid, devid);
	say_state(kind, domid, devid, 2);
}

void goes(const char *kind, uint32_t domid, uint32_t devid)
{
	const char *ifname = devices_test_ifname(en, kind, domid, devid);
	char name[16];

	(void)snprintf(name, sizeof(name), "vif%u.%u", domid, devid);
	if (ifname)
		kernel_del_link(ifname);
	kernel_del_link(name);
	kernel_del_backend(kind, domid, devid);
	uevent("remove@/devices/x|ACTION=remove|DEVPATH=/devices/%s-%u-%u|SUBSYSTEM=xen-backend",
	       kind, domid, devid);
}

static void take_up(const char *kind, uint32_t domid, uint32_t devid, bool noxs)
{
	if (kernel_has_backend(kind, domid, devid))
		return;
	appears(kind, domid, devid);
	if (noxs)
		say_state(kind, domid, devid, 4);
}

/* Does what the kernel would: connects what there are rings for, lets go of what has no nodes. */
static void kernel_works(void)
{
	char kind[4];

	devices_test_each_started(en, take_up);
	for (uint32_t i = 0; kernel_backend(i);) {
		uint32_t domid;
		uint32_t devid;

		/* Our own words. NOLINTNEXTLINE(cert-err34-c) */
		assert_int_equal(sscanf(kernel_backend(i), "%3s-%u-%u", kind, &domid, &devid), 3);
		if (has_nodes(kind, domid, devid))
			i++;
		else
			goes(kind, domid, devid);
	}
}

void work_for(uint32_t ms)
{
	while (ms--) {
		files_settle();
		kernel_works();
		tick();
	}
}

/* Until the daemon has nothing but itself. */
void nothing_is_left(uint32_t files)
{
	work_until(!devices_test_any(en) && !devices_test_any_domain(en) && !kernel_nbackends());
	settle(0);
	files_settle();
	assert_false(devices_test_any(en));
	assert_false(devices_test_any_domain(en));
	assert_true(devices_test_teardown_is_idle(en));
	assert_int_equal(kernel_nbackends(), 0);
	assert_int_equal(kernel_links(), 2);
	only_the_daemon_is_left();
	if (files)
		assert_int_equal(open_files(), files);
}

void on_device(void *arg, int rc, const struct device_info *d, const struct err *e)
{
	struct answer *a = arg;

	(void)d;
	assert_false(a->called);
	a->called = true;
	a->rc = rc;
	if (e)
		a->err = *e;
}

static void count_connected(const struct device_info *d, void *arg)
{
	if (d->state == DEVICE_CONNECTED && d->reason[0] == '\0')
		(*(uint32_t *)arg)++;
}

uint32_t connected(struct vm *vm)
{
	uint32_t n = 0;

	vm_for_each_device(vm, count_connected, &n);
	return n;
}

bool is_pinned(struct vm *vm)
{
	const char *name = devices_test_ifname(en, "vif", vm_domid(vm), 0);

	assert_non_null(name);
	return kernel_pinned(kernel_link(name)->ifindex, vm_cfg(vm)->device[0].u.vif.mac);
}

const char *physical_device(uint32_t domid)
{
	struct devtree_id id = {"vbd", domid, 51712};
	char at[DEVTREE_PATH_MAX];
	uint32_t len;

	devtree_back(&id, "physical-device", at);
	return store_get(engine_store(en), at, &len);
}

struct result create_failing(uint32_t nth, struct vm_config c, bool *through)
{
	struct result r;

	fake_fail_at(nth, EIO);
	r = create(c, 0);
	*through = !fake_failed();
	fake_fail_at(0, 0);
	if (r.rc < 0 && r.err.msg[0] == '\0')
		fail_msg("call %u: no words", nth);
	return r;
}
