/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings of a VM that can change while it runs. */
#ifndef CHAOS_ENGINE_LIFE_SET_H
#define CHAOS_ENGINE_LIFE_SET_H

#include "split-toolstack/engine/engine.h"

#define VM_SET_KEEP UINT32_MAX

struct vm_settings {
	uint32_t weight;  /* 1 to 65535, or VM_SET_KEEP */
	uint32_t cap;	  /* percent of a CPU, 0: none; or VM_SET_KEEP */
	uint64_t mem_kib; /* target for its guest; 0: unchanged */
};

/* Changes a VM that runs or is paused: all settings, or none with a reason. Weight and cap are kept
 * over restarts of the VM. The memory target is for a balloon driver, which reaches it some time
 * later; it is valid until the guest boots again. -EINVAL: out of range; -EOPNOTSUPP: the guest has
 * no such driver. */
int vm_set(struct vm *vm, const struct vm_settings *s, struct err *e);

#endif
