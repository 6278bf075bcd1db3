/* SPDX-License-Identifier: BSD-3-Clause */
/* The lists and tables of VMs. They close and delete nothing. */
#ifndef CHAOS_VM_VM_H
#define CHAOS_VM_VM_H

#include "split-toolstack/engine/vm/state.h"

struct xen_domain_info;

/* Goes through a list of VMs while VMs leave it; in `cursors` of the engine. */
struct vm_cursor {
	struct vm_cursor *prev, *next;
	struct vm *vm; /* the next one */
};

void vm_link_alive(struct vm *vm);	       /* into list and tables; name and uuid set */
void vm_set_domid(struct vm *vm, uint32_t id); /* 0 takes it out of the table */
void vm_unhash(struct vm *vm);		       /* out of the tables of the living; its id stays */
void vm_unlink(struct vm *vm);		       /* out of its list, if it is in one */
void vm_link_ended(struct vm *vm);	       /* into the history, by the time of its end */
struct vm *vm_ended_by_uuid(struct engine *en, const uint8_t uuid[16]); /* the newest, or NULL */
void vm_announce(struct vm *vm, enum vm_event ev);
/* Answers its create, once. */
void vm_create_done(struct vm *vm, int rc, const struct err *e);
/* What Xen says of its domain, as others may have changed it. */
void vm_see(struct vm *vm, const struct xen_domain_info *info);

#endif
