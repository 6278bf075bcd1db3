/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs as records: in the registry, and in files of saved ones. */
#ifndef CHAOS_VM_RECORD_H
#define CHAOS_VM_RECORD_H

#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/vm/parts.h"

struct vm;
struct vm_config;

/* The record of the VM as it is now; while it is being built, an intent. */
void vm_as_record(const struct vm *vm, struct vm_record *r);
/* Fills a new VM from its record and moves `cfg` into it. State and domain of the record are
 * vm_was() and vm_was_domid(), because they may have changed since. */
void vm_read_record(struct vm *vm, const struct vm_record *r, struct vm_config *cfg);
/* The VM as bytes for the file of a saved VM, with its uuid; allocated by malloc(). -ENOMEM. */
int vm_describe(const struct vm *vm, uint8_t **out, uint32_t *bytes, struct err *e);
/* Reads such bytes. *r points into `data` and `cfg`; `cfg` is initialised before, and the caller
 * clears it in any case. -EPROTO, -ENOMEM. */
int vm_undescribe_all(const uint8_t *data, uint32_t bytes, struct vm_record *r,
		      struct vm_config *cfg, struct err *e);
/* Reads only the configuration. The bytes may be of any origin. -EPROTO, -ENOMEM. */
int vm_undescribe(const uint8_t *data, uint32_t bytes, struct vm_config *cfg, struct err *e);

/* Records that the VM will get this domain. */
int vm_record_intent(struct vm *vm, uint32_t domid);
/* Writes the record into the registry. */
static inline int vm_record(const struct vm *vm, struct err *e)
{
	struct vm_record r;

	vm_as_record(vm, &r);
	return registry_put(engine_registry(vm_engine(vm)), &r, e);
}

#endif
