/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs as records, and back. */
#ifndef CHAOS_ENGINE_LIFE_RECORD_H
#define CHAOS_ENGINE_LIFE_RECORD_H

#include "base/err.h"

struct engine;
struct vm;
struct vm_config;
struct vm_record;

/* Records the VM as it is now: an intent while it is being built. */
int vm_record(const struct vm *vm, struct err *e);
/* A fresh VM, in no list, of the state that its record says; an id there is in `recorded`. Takes
 * what is in `cfg`. NULL: no memory. */
struct vm *vm_of_record(struct engine *en, const struct vm_record *r, struct vm_config *cfg);

#endif
