/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel of a VM. */
#ifndef CHAOS_GUEST_CONTROL_H
#define CHAOS_GUEST_CONTROL_H

struct vm;

/* Listens to the VM's control channel, which is bound. */
int vm_hear(struct vm *vm);
/* Looks at ring and words of one VM now. */
void vm_look(struct vm *vm);

#endif
