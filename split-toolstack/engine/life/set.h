/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be set of a VM while it runs. */
#ifndef CHAOS_ENGINE_LIFE_SET_H
#define CHAOS_ENGINE_LIFE_SET_H

#include "split-toolstack/engine/engine.h"

#define VM_SET_KEEP UINT32_MAX

struct vm_settings {
	uint32_t weight;  /* 1 to 65535, or VM_SET_KEEP */
	uint32_t cap;	  /* percent of a CPU, 0: none; or VM_SET_KEEP */
	uint64_t mem_kib; /* what its guest is asked to have; 0: as it is */
};

/* Of a VM that runs or is paused: all of them, or none with a reason. Weight and cap hold from now
 * on, also behind a restart; memory is asked of a guest with a balloon driver, which follows in its
 * own time, until it boots again. -EINVAL: out of range; -EOPNOTSUPP: its guest cannot be asked. */
int vm_set(struct vm *vm, const struct vm_settings *s, struct err *e);

#endif
