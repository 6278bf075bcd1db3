/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding VMs in the lists and tables. */
#ifndef CHAOS_VM_VMS_H
#define CHAOS_VM_VMS_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct vm;

/* Of the living; NULL: there is none. */
struct vm *vm_by_name(const struct engine *in, const char *name);
struct vm *vm_by_uuid(const struct engine *in, const uint8_t uuid[16]);
struct vm *vm_by_domid(const struct engine *in, uint32_t domid);
/* The living from the oldest on, the ended from the newest on; vm_next() goes on. */
struct vm *vms_alive(const struct engine *in);
struct vm *vms_ended(const struct engine *in);
struct vm *vm_next(const struct vm *vm);
/* Of one in VM_UNKNOWN: why it was not taken over yet. */
const char *vm_why_unknown(const struct vm *vm);
bool vm_is_listed(const struct vm *vm);
/* VMs that are in no list yet, one behind the other. */
void vm_chain(struct vm **first, struct vm *vm);
/* The first of them; NULL: that was all. */
struct vm *vm_unchain(struct vm **first);
uint32_t vms_count(const struct engine *in);
uint32_t vms_ended_count(const struct engine *in);

#endif
