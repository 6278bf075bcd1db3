/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding VMs in the lists and tables. */
#ifndef CHAOS_VM_VMS_H
#define CHAOS_VM_VMS_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct vm;

/* Among living VMs; NULL: there is none. */
struct vm *vm_by_name(const struct engine *in, const char *name);
struct vm *vm_by_uuid(const struct engine *in, const uint8_t uuid[16]);
struct vm *vm_by_domid(const struct engine *in, uint32_t domid);
/* The first VM of a list, and the next one: living VMs from the oldest, ended ones from the newest.
 */
struct vm *vms_alive(const struct engine *in);
struct vm *vms_ended(const struct engine *in);
struct vm *vm_next(const struct vm *vm);
/* In VM_UNKNOWN: why it could not be adopted yet. */
const char *vm_why_unknown(const struct vm *vm);
bool vm_is_listed(const struct vm *vm);
/* Appends a VM that is in no list to a chain. */
void vm_chain(struct vm **first, struct vm *vm);
/* Removes the first VM of the chain and returns it; NULL: the chain is empty. */
struct vm *vm_unchain(struct vm **first);
uint32_t vms_count(const struct engine *in);
uint32_t vms_ended_count(const struct engine *in);

#endif
