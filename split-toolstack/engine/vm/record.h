/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs as records. */
#ifndef CHAOS_VM_RECORD_H
#define CHAOS_VM_RECORD_H

#include "base/err.h"

struct vm;

/* Records the VM as it is now: an intent while it is being built. */
int vm_record(const struct vm *vm, struct err *e);
#endif
