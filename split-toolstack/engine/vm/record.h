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

/* It as it is now: an intent while it is being built. */
void vm_as_record(const struct vm *vm, struct vm_record *r);
/* A new one becomes what its record says, and takes what is in `cfg`. The state and domain there
 * are vm_was() and vm_was_domid(): whether they are so still is not known. */
void vm_read_record(struct vm *vm, const struct vm_record *r, struct vm_config *cfg);
/* It as bytes, malloced, with its uuid: what a file of a saved VM says of it. -ENOMEM. */
int vm_describe(const struct vm *vm, uint8_t **out, uint32_t *bytes, struct err *e);
/* All of it again; *r points into `data` and `cfg`, which is fresh, and to be cleared in any case.
 * -EPROTO, -ENOMEM. */
int vm_undescribe_all(const uint8_t *data, uint32_t bytes, struct vm_record *r,
		      struct vm_config *cfg, struct err *e);
/* Its configuration, from such bytes, of any origin; `cfg` is fresh, and to be cleared in any case.
 * -EPROTO, -ENOMEM. */
int vm_undescribe(const uint8_t *data, uint32_t bytes, struct vm_config *cfg, struct err *e);

/* Records it as one that will get this domain. */
int vm_record_intent(struct vm *vm, uint32_t domid);
/* Records it. */
static inline int vm_record(const struct vm *vm, struct err *e)
{
	struct vm_record r;

	vm_as_record(vm, &r);
	return registry_put(engine_registry(vm_engine(vm)), &r, e);
}

#endif
