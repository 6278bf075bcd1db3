/* SPDX-License-Identifier: BSD-3-Clause */
/* VMs as records. */
#ifndef CHAOS_VM_RECORD_H
#define CHAOS_VM_RECORD_H

#include <stdint.h>

#include "base/err.h"

struct vm;
struct vm_config;

/* Records the VM as it is now: an intent while it is being built. */
int vm_record(const struct vm *vm, struct err *e);
/* The same as bytes, malloced, with its uuid: what a file of a saved VM says of it. -ENOMEM. */
int vm_describe(const struct vm *vm, uint8_t **out, uint32_t *bytes, struct err *e);
/* Its configuration, from such bytes of anybody's; `cfg` is fresh, and to be cleared in any case.
 * -EPROTO, -ENOMEM. */
int vm_undescribe(const uint8_t *data, uint32_t bytes, struct vm_config *cfg, struct err *e);
#endif
