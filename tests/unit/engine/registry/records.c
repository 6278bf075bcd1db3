/* SPDX-License-Identifier: BSD-3-Clause */
/* Records as plain data: as bytes, and in a registry of their own, without an engine. */
#include "split-toolstack/engine/registry/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/engine/config/device_record.h"
#include "split-toolstack/engine/registry/record.h"
#include "tests/unit/unit.h"

/* --- bytes --- */

static uint8_t *as_bytes(const struct device_config *d, size_t *len)
{
	uint8_t *to;

	*len = device_record_bytes(d);
	to = malloc(*len);
	assert_non_null(to);
	assert_ptr_equal(device_record_put(to, d), to + *len);
	return to;
}

static void devices_come_back(void **state)
{
	struct device_config back;
	struct device_config d;
	const uint8_t *at;
	uint8_t *bytes;
	size_t len;

	(void)state;
	device_config_init(&d, DEVICE_VIF);
	(void)snprintf(d.u.vif.bridge, sizeof(d.u.vif.bridge), "xenbr0");
	(void)snprintf(d.u.vif.ifname, sizeof(d.u.vif.ifname), "web0");
	d.devid = 3;
	memcpy(d.u.vif.mac, "\x00\x16\x3e\x01\x02\x03", 6);
	d.u.vif.mtu = 9000;
	d.u.vif.rate_bytes = 1ull << 40;
	d.u.vif.rate_us = 20000;
	d.backend = BACKEND_USER;
	d.u.vif.ip.dhcp = true;
	memset(d.u.vif.ip.ipv6, 0xfd, 16);
	d.u.vif.ip.ipv6_prefix = 64;
	(void)snprintf(d.u.vif.ip_text, sizeof(d.u.vif.ip_text), "fdfd::1/64");
	(void)snprintf(d.u.vif.peer, sizeof(d.u.vif.peer), "eth0");
	(void)snprintf(d.u.vif.netns, sizeof(d.u.vif.netns), "/run/netns/a b");
	bytes = as_bytes(&d, &len);
	at = bytes;
	assert_true(device_record_get(&at, bytes + len, &back));
	assert_ptr_equal(at, bytes + len);
	assert_memory_equal(&back.u.vif, &d.u.vif, sizeof(d.u.vif));
	for (size_t n = 0; n < len; n++) {
		at = bytes;
		assert_false(device_record_get(&at, bytes + n, &back));
		device_config_clear(&back);
	}
	free(bytes);
	device_config_init(&d, DEVICE_VBD);
	d.u.vbd.path = strdup("/var/lib/vms/web.img");
	d.u.vbd.readonly = true;
	d.devid = 51712;
	d.u.vbd.discard = false;
	d.u.vbd.cdrom = true;
	bytes = as_bytes(&d, &len);
	at = bytes;
	assert_true(device_record_get(&at, bytes + len, &back));
	assert_string_equal(back.u.vbd.path, d.u.vbd.path);
	assert_int_equal(back.devid, 51712);
	assert_int_equal(back.u.vbd.fd, -1);
	assert_true(back.u.vbd.readonly && back.u.vbd.cdrom && !back.u.vbd.discard);
	device_config_clear(&back);
	for (size_t n = 0; n < len; n++) {
		at = bytes;
		assert_false(device_record_get(&at, bytes + n, &back));
		device_config_clear(&back);
	}
	memset(bytes, 0xff, len); /* another kind, texts without an end */
	at = bytes;
	assert_false(device_record_get(&at, bytes + len, &back));
	device_config_clear(&back);
	memset(bytes, 0xff, len);
	memset(bytes, 0, 4);
	memset(bytes + 12, 0, 4);
	at = bytes;
	assert_false(device_record_get(&at, bytes + len, &back));
	device_config_clear(&back);
	free(bytes);
	bytes = as_bytes(&d, &len);
	bytes[8] |= 3 << 4; /* a backend that does not exist */
	at = bytes;
	assert_false(device_record_get(&at, bytes + len, &back));
	device_config_clear(&back);
	free(bytes);
	device_config_clear(&d);
}

/* A record with all that one can have; its configuration is to be cleared. */
static struct vm_record whole(struct vm_config *c, const char *name)
{
	vm_config_init(c);
	c->type = DOM_PVH;
	c->kernel = strdup("/boot/vmlinuz");
	c->cmdline = strdup("quiet");
	c->mem_kib = 65536;
	c->vcpus = 2;
	c->maxvcpus = 4;
	c->on_crash = VM_PRESERVE;
	c->limits = (struct dom_limits){.asked = DOM_LIMIT_GRANT_FRAMES, .grant_frames = 9};
	c->cpus.map = malloc(2);
	assert_non_null(c->cpus.map);
	memcpy(c->cpus.map, "\x01\x02", 2);
	c->cpus.bytes = 1;
	c->cpus.n = 2;
	c->device = malloc(sizeof(*c->device));
	assert_non_null(c->device);
	c->ndevice = 1;
	device_config_init(&c->device[0], DEVICE_VBD);
	c->device[0].devid = 51712;
	c->device[0].u.vbd.path = strdup("/disk.img");
	return (struct vm_record){.uuid = "one of them",
				  .name = name,
				  .cfg = c,
				  .state = VM_PAUSED,
				  .reason = VM_REASON_CRASH,
				  .exit_code = -1,
				  .domid = 7,
				  .guest_port = 5,
				  .store_port = 6,
				  .restarts = 3,
				  .noxs = true,
				  .direct = true,
				  .ready = true,
				  .pages = 16384,
				  .dev_frame = 1,
				  .control_frame = 2,
				  .created_ns = 10,
				  .started_ns = 11,
				  .ended_ns = 12};
}

static void same(const struct vm_record *a, const struct vm_record *b)
{
	const struct vm_config *c = a->cfg;
	const struct vm_config *d = b->cfg;

	assert_string_equal(a->name, b->name);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->reason, b->reason);
	assert_int_equal(a->exit_code, b->exit_code);
	assert_int_equal(a->domid, b->domid);
	assert_int_equal(a->guest_port, b->guest_port);
	assert_int_equal(a->store_port, b->store_port);
	assert_int_equal(a->restarts, b->restarts);
	assert_memory_equal(c->copy_of, d->copy_of, sizeof(c->copy_of));
	assert_int_equal(a->noxs, b->noxs);
	assert_int_equal(a->direct, b->direct);
	assert_int_equal(a->ready, b->ready);
	assert_int_equal(a->pages, b->pages);
	assert_int_equal(a->dev_frame, b->dev_frame);
	assert_int_equal(a->control_frame, b->control_frame);
	assert_int_equal(a->created_ns, b->created_ns);
	assert_int_equal(a->started_ns, b->started_ns);
	assert_int_equal(a->ended_ns, b->ended_ns);
	assert_string_equal(c->kernel, d->kernel);
	assert_null(d->ramdisk);
	assert_string_equal(c->cmdline, d->cmdline);
	assert_int_equal(c->type, d->type);
	assert_int_equal(c->mem_kib, d->mem_kib);
	assert_int_equal(c->vcpus, d->vcpus);
	assert_int_equal(c->maxvcpus, d->maxvcpus);
	assert_int_equal(c->on_crash, d->on_crash);
	assert_int_equal(c->limits.grant_frames, d->limits.grant_frames);
	assert_int_equal(c->cpus.n, d->cpus.n);
	assert_memory_equal(c->cpus.map, d->cpus.map, dom_cpus_bytes(&c->cpus));
	assert_int_equal(c->ndevice, d->ndevice);
	assert_string_equal(c->device[0].u.vbd.path, d->device[0].u.vbd.path);
}

static void records_come_back(void **state)
{
	struct vm_config back_cfg;
	struct vm_config c;
	struct vm_record r = whole(&c, "web");
	struct vm_record back;
	size_t size = record_write(&r, NULL, 0);
	uint8_t *bytes = malloc(size);

	(void)state;
	assert_non_null(bytes);
	bytes[0] = 0xee;
	assert_int_equal(record_write(&r, bytes, size - 1), size);
	assert_int_equal(bytes[0], 0xee); /* not in part */
	assert_int_equal(record_write(&r, bytes, size), size);
	vm_config_init(&back_cfg);
	assert_true(record_read(&back, &back_cfg, bytes, size));
	same(&r, &back);
	vm_config_clear(&back_cfg);
	for (size_t n = 0; n < size; n++) {
		assert_false(record_read(&back, &back_cfg, bytes, n));
		vm_config_clear(&back_cfg);
	}
	free(bytes);
	/* what is behind all that older daemons read */
	memcpy(c.copy_of, "the VM before it", sizeof(c.copy_of));
	size = record_write(&r, NULL, 0);
	bytes = malloc(size);
	assert_non_null(bytes);
	assert_int_equal(record_write(&r, bytes, size), size);
	assert_true(record_read(&back, &back_cfg, bytes, size));
	same(&r, &back);
	vm_config_clear(&back_cfg);
	assert_true(record_read(&back, &back_cfg, bytes, size - 1));
	assert_int_equal(back_cfg.copy_of[0], 0);
	vm_config_clear(&back_cfg);
	free(bytes);
	vm_config_clear(&c);
}

/* --- a registry --- */

static char dir[] = "/tmp/chaos-records-XXXXXX";

struct seen {
	const struct vm_record *like; /* NULL: none is looked at */
	uint32_t n;
	uint32_t domids;    /* a bit each */
	uint32_t fail_from; /* -ENOMEM from this one on; 0: never */
};

static int see(void *arg, const struct vm_record *r, struct vm_config *cfg)
{
	struct seen *s = arg;

	assert_ptr_equal(r->cfg, cfg);
	if (++s->n == s->fail_from)
		return -ENOMEM;
	if (s->like)
		same(s->like, r);
	s->domids |= 1u << r->domid;
	return 0;
}

static struct seen load(struct registry *reg, const struct vm_record *like)
{
	struct seen s = {.like = like};

	assert_int_equal(registry_load(reg, see, &s, NULL), 0);
	return s;
}

static struct registry *opened(void)
{
	struct registry *reg = NULL;

	assert_int_equal(registry_open(dir, &reg, NULL), 0);
	return reg;
}

static int setup(void **state)
{
	(void)state;
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void the_youngest_is_loaded(void **state)
{
	struct registry *reg = opened();
	struct vm_config c;
	struct vm_record r = whole(&c, "web");

	(void)state;
	r.domid = 1;
	assert_int_equal(registry_put(reg, &r, NULL), 0);
	while (registry_settle(reg))
		;
	r.domid = 2; /* beside the one in the database */
	assert_int_equal(registry_put(reg, &r, NULL), 0);
	assert_int_equal(load(reg, &r).n, 1);
	r.domid = 3;
	assert_int_equal(registry_put(reg, &r, NULL), 0);
	assert_int_equal(load(reg, &r).n, 1);
	registry_close(reg);
	reg = opened();
	assert_int_equal(load(reg, &r).n, 1);
	registry_delete(reg, r.uuid);
	assert_int_equal(load(reg, NULL).n, 0);
	registry_close(reg);
	vm_config_clear(&c);
}

/* More than there are slots; and what reads them can end it. */
static void all_are_loaded(void **state)
{
	struct registry *reg = opened();
	struct seen s;
	struct vm_config c;
	struct vm_record r = whole(&c, "web");
	struct err e = {0};

	(void)state;
	for (uint8_t i = 0; i < 100; i++) {
		r.uuid[15] = i;
		r.domid = i & 31;
		assert_int_equal(registry_put(reg, &r, NULL), 0);
	}
	s = load(reg, NULL);
	assert_int_equal(s.n, 100);
	assert_int_equal(s.domids, UINT32_MAX);
	for (uint32_t at = 1; at <= 100; at++) {
		s = (struct seen){.fail_from = at};
		assert_int_equal(registry_load(reg, see, &s, &e), -ENOMEM);
		assert_int_equal(s.n, at);
	}
	registry_close(reg);
	vm_config_clear(&c);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_come_back),
		cmocka_unit_test(records_come_back),
		TEST(the_youngest_is_loaded),
		TEST(all_are_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
