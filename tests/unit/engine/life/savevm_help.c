/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves and restores on the fake. */
#include "tests/unit/engine/life/savevm_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <noxs/abi.h>

#include "base/uuid.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/parts.h"

static void on_saved(void *arg, int rc, const struct stream_stats *st, const struct err *e)
{
	struct saved *s = arg;

	assert_false(s->called);
	s->called = true;
	s->rc = rc;
	s->st = *st;
	if (e)
		s->err = *e;
}

void says(const struct vm *vm, uint32_t can)
{
	struct noxs_control *c = fake_page(vm_domid(vm), vm_control_frame(vm));

	assert_non_null(c);
	c->can = can;
	c->state = NOXS_STATE_READY;
	(void)munmap(c, 4096);
}

struct vm *living(const char *name, enum dom_type type)
{
	struct result r = create(guest(name, type, 256), 0);

	assert_int_equal(r.rc, 0);
	says(r.vm, NOXS_CAN_SAVE | NOXS_CAN_PLAIN);
	return r.vm;
}

int begin(struct vm *vm, int fd, uint32_t flags, struct saved *s)
{
	*s = (struct saved){0};
	return vm_save(vm, fd, flags, on_saved, s, &s->id, &s->err);
}

int save(struct vm *vm, uint32_t flags, struct saved *s)
{
	int file = memfd_create("saved", MFD_CLOEXEC);

	assert_int_equal(begin(vm, dup(file), flags, s), 0);
	if (!(flags & VM_SAVE_KEEP)) /* a small one goes on at once */
		assert_int_equal(vm_state(vm), VM_SAVING);
	until(s->called);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	return file;
}

void on_restored(void *arg, int rc, struct vm *vm, const struct vm_timings *t, const struct err *e)
{
	struct restored *k = arg;

	assert_false(k->r.called);
	k->r = (struct result){.called = true, .rc = rc, .way = t->way, .vm = vm};
	if (rc < 0)
		k->r.err = *e;
}

struct result restore(int file, const char *name, uint32_t flags)
{
	struct restored k = {0};
	struct err e = {0};
	int rc;

	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	rc = engine_restore(en, dup(file), name, flags, on_restored, &k, &k.st, &k.id, &e);
	if (rc == 0)
		until(k.r.called);
	else
		k.r = (struct result){.rc = rc, .err = e};
	return k.r;
}

void destroy(struct vm *vm)
{
	uint8_t uuid[16];

	vm_uuid(vm, uuid);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	assert_int_equal(vm_rm(engine_find_uuid(en, uuid), NULL), 0);
}

void is_resumed(const struct vm *vm)
{
	struct noxs_page *p = fake_page(vm_domid(vm), vm_dev_frame(vm));

	assert_non_null(p);
	assert_int_equal(p->magic, NOXS_MAGIC);
	assert_true(p->flags & NOXS_FLAG_RESUMED);
	assert_true(p->generation > 1);
	assert_int_equal(p->domid, vm_domid(vm));
	assert_memory_equal(p->uuid, vm_uuid_bytes(vm), 16);
	assert_int_equal(p->control.remote_port, vm_slot_port(vm));
	(void)munmap(p, 4096);
}

void is_paused(const struct vm *vm, bool paused)
{
	struct xen_domain_info info;

	assert_int_equal(xen_domain_info(engine_xen(en), vm_domid(vm), &info), 0);
	assert_int_equal(info.paused, paused);
}

void sleeper_path(const uint8_t uuid[16], char *path)
{
	char text[UUID_TEXT];

	uuid_print(uuid, text);
	(void)snprintf(path, 256, "%s/%s.save", conf().sleep_dir, text);
}

bool has_file(const uint8_t uuid[16])
{
	char path[256];

	sleeper_path(uuid, path);
	return access(path, F_OK) == 0;
}

void set_byte(const struct vm *vm, uint8_t byte)
{
	uint8_t *at = fake_page(vm_domid(vm), FRAME);

	assert_non_null(at);
	memset(at, byte, 4096);
	(void)munmap(at, 4096);
}

uint8_t get_byte(const struct vm *vm)
{
	uint8_t *at = fake_page(vm_domid(vm), FRAME);
	uint8_t byte;

	assert_non_null(at);
	byte = at[4095];
	(void)munmap(at, 4096);
	return byte;
}
