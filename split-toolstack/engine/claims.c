/* SPDX-License-Identifier: BSD-3-Clause */
/* What each VM has for itself on this host: MAC addresses, names of interfaces, disks. */
#include "split-toolstack/engine/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mac.h"

/*
 * By what it is, over all VMs, so that a create costs the same with thousands of others. What a VM
 * has is its own from its create to its end, also between two lives, when the kernel knows of
 * nothing. Disks that are only read can be several VMs'.
 */

enum { MAC = 'm', NAME = 'n', DISK = 'd', FILE_ID = 'f' };
#define WHAT_MAX 4096u /* bytes of it */

struct claim {
	UT_hash_handle hh;
	struct claim *next; /* of the VM */
	struct vm *vm;
	bool writes;
	char key[];
};

static bool has_mac(const struct vif_config *v)
{
	static const uint8_t none[6];

	return memcmp(v->mac, none, sizeof(none)) != 0;
}

static struct claim *find(struct engine *en, char kind, const void *what, size_t len)
{
	char key[1 + WHAT_MAX];
	struct claim *c = NULL;

	if (len > WHAT_MAX)
		return NULL;
	key[0] = kind;
	memcpy(key + 1, what, len);
	HASH_FIND(hh, en->claims, key, len + 1, c);
	return c;
}

/* What a disk is, whatever it is called: the device, or the file. False: not known. */
static bool file_id(const struct vbd_config *v, uint64_t id[2])
{
	id[0] = v->dev;
	id[1] = v->ino;
	return v->path && v->dev;
}

/* By its path, which may lead to nothing between two lives, and by what it led to when it was
 * opened last. */
static const struct claim *find_disk(struct engine *en, const struct vm *self,
				     const struct vbd_config *v)
{
	const struct claim *c = v->path ? find(en, DISK, v->path, strlen(v->path)) : NULL;
	uint64_t id[2];

	if ((!c || c->vm == self || !(c->writes || !v->readonly)) && file_id(v, id))
		c = find(en, FILE_ID, id, sizeof(id));
	return c && c->vm != self && (c->writes || !v->readonly) ? c : NULL;
}

bool claims_mac(struct engine *en, const uint8_t mac[6])
{
	return find(en, MAC, mac, 6);
}

int claims_check(struct engine *en, const struct vm *self, const struct device_config *d,
		 struct err *e)
{
	const struct vif_config *v = &d->u.vif;
	const struct claim *c = NULL;
	char text[18];

	if (d->kind == DEVICE_VBD) {
		c = find_disk(en, self, &d->u.vbd);
		if (c) {
			vdev_name(d->devid, text);
			return err_set(e, EBUSY, "disk %s: %s: is in use by \"%s\"", text,
				       d->u.vbd.path, c->vm->name);
		}
		return 0;
	}
	c = has_mac(v) ? find(en, MAC, v->mac, sizeof(v->mac)) : NULL;
	if (c && c->vm != self) {
		mac_print(v->mac, text);
		return err_set(e, EEXIST, "vif: mac %s: is taken by \"%s\"", text, c->vm->name);
	}
	c = v->ifname[0] ? find(en, NAME, v->ifname, strlen(v->ifname)) : NULL;
	if (c && c->vm != self)
		return err_set(e, EEXIST, "vif: vifname \"%s\": is taken by \"%s\"", v->ifname,
			       c->vm->name);
	return 0;
}

static int take(struct vm *vm, char kind, const void *what, size_t len, bool writes)
{
	struct claim *c = malloc(sizeof(*c) + 1 + len);

	if (!c)
		return -ENOMEM;
	c->vm = vm;
	c->writes = writes;
	c->key[0] = kind;
	memcpy(c->key + 1, what, len);
	c->next = vm->claims;
	vm->claims = c;
	HASH_ADD_KEYPTR(hh, vm->en->claims, c->key, len + 1, c);
	return 0;
}

static int take_disk(struct vm *vm, const struct vbd_config *v)
{
	uint64_t id[2];
	int rc = v->path ? take(vm, DISK, v->path, strlen(v->path), !v->readonly) : 0;

	return rc == 0 && file_id(v, id) ? take(vm, FILE_ID, id, sizeof(id), !v->readonly) : rc;
}

static int take_all_of(struct vm *vm, const struct device_config *d)
{
	const struct vif_config *v = &d->u.vif;
	int rc = 0;

	if (d->kind == DEVICE_VBD)
		return take_disk(vm, &d->u.vbd);
	/* One that is kept for who looks into it sends nothing: its successor has its MAC. */
	if (has_mac(v) && vm_state(vm) != VM_ENDED_PRESERVED)
		rc = take(vm, MAC, v->mac, sizeof(v->mac), true);
	if (rc == 0 && v->ifname[0])
		rc = take(vm, NAME, v->ifname, strlen(v->ifname), true);
	return rc;
}

int claims_take(struct vm *vm, struct err *e)
{
	int rc = 0;

	claims_drop(vm);
	for (uint32_t i = 0; rc == 0 && i < vm->cfg.ndevice; i++)
		rc = take_all_of(vm, &vm->cfg.device[i]);
	return rc < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

void claims_drop(struct vm *vm)
{
	struct engine *en = vm->en;
	struct claim *c;

	while ((c = vm->claims) != NULL) {
		vm->claims = c->next;
		/* It is in the table, which is there.
		 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		HASH_DELETE(hh, en->claims, c);
		free(c);
	}
}
