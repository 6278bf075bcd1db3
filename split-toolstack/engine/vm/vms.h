/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding VMs in the lists and tables: on the way of each create and destroy, so it is inline. */
#ifndef CHAOS_VM_VMS_H
#define CHAOS_VM_VMS_H

#include <string.h>

#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/vm/vm-t.h"

/* Of the living; NULL: there is none. */
static inline struct vm *vm_by_name(const struct engine *in, const char *name)
{
	struct vm *vm = NULL;

	HASH_FIND(by_name, in->vms.by_name, name, strlen(name), vm);
	return vm;
}

static inline struct vm *vm_by_uuid(const struct engine *in, const uint8_t uuid[16])
{
	struct vm *vm = NULL;

	HASH_FIND(by_uuid, in->vms.by_uuid, uuid, 16, vm);
	return vm;
}

static inline struct vm *vm_by_domid(const struct engine *in, uint32_t domid)
{
	struct vm *vm = NULL;

	HASH_FIND(by_domid, in->vms.by_domid, &domid, sizeof(domid), vm);
	return vm;
}

/* The living from the oldest on, the ended from the newest on; vm_next() goes on. */
static inline struct vm *vms_alive(const struct engine *in)
{
	return in->vms.alive;
}

static inline struct vm *vms_ended(const struct engine *in)
{
	return in->vms.ended;
}

static inline struct vm *vm_next(const struct vm *vm)
{
	return vm->next;
}

static inline uint32_t vms_count(const struct engine *in)
{
	return HASH_CNT(by_name, in->vms.by_name);
}

static inline uint32_t vms_ended_count(const struct engine *in)
{
	return in->vms.nended;
}

#endif
