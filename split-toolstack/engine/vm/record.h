/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a VM is recorded, for rooms that do not know its structure. */
#ifndef CHAOS_VM_RECORD_H
#define CHAOS_VM_RECORD_H

#include <stdint.h>

#include "base/err.h"

struct vm;
struct vm_config;
struct vm_record;

/* It as it is now, with its configuration, which has changed. */
int vm_record_config(const struct vm *vm, struct err *e);
/* It as bytes, malloced, with its uuid: what a file of a saved VM says of it. -ENOMEM. */
int vm_describe(const struct vm *vm, uint8_t **out, uint32_t *bytes, struct err *e);
/* All of it again; *r points into `data` and `cfg`, which is fresh, and to be cleared in any case.
 * -EPROTO, -ENOMEM. */
int vm_undescribe_all(const uint8_t *data, uint32_t bytes, struct vm_record *r,
		      struct vm_config *cfg, struct err *e);
/* Its configuration, from such bytes, of any origin; `cfg` is fresh, and to be cleared in any case.
 * -EPROTO, -ENOMEM. */
int vm_undescribe(const uint8_t *data, uint32_t bytes, struct vm_config *cfg, struct err *e);

#endif
