/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM for clients, without its console. */
#ifndef CHAOS_VM_INFO_H
#define CHAOS_VM_INFO_H

struct vm;
struct vm_info;

void vm_tell(const struct vm *vm, struct vm_info *out);

#endif
