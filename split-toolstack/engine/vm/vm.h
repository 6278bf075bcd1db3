/* SPDX-License-Identifier: BSD-3-Clause */
/* The lists and tables of VMs. Its functions do not close or free VMs. */
#ifndef CHAOS_VM_VM_H
#define CHAOS_VM_VM_H

#include <stdint.h>

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

struct xen_domain_info;

/* A position in a list of VMs that stays valid while VMs are added and removed. Embedded in the
 * user. */
struct vm_cursor {
	struct engine *en;
	struct vm_cursor *prev, *next;
	struct vm *vm;	 /* the next one */
	uint64_t opened; /* number of the last move before vm_cursor_open() */
};

void vms_close(struct engine *en); /* allowed if they are not open */
/* The engine closes: living VMs stay in their list, but are not found any more. */
void vms_unhash(struct engine *en);
/* Removes the first VM of the list and returns it; NULL: the list is empty. */
struct vm *vms_take_alive(struct engine *en);
struct vm *vms_take_ended(struct engine *en);

/* Sets name and uuid from the configuration, or makes them. -EEXIST: another living VM has them. */
int vm_identify(struct vm *vm, struct err *e);
void vm_link_alive(struct vm *vm); /* adds it to list and tables; name and uuid are set */
void vm_set_domid(struct vm *vm, uint32_t id); /* 0: removes it from the table */
/* For a VM in the tables of living VMs. */
void vm_set_name(struct vm *vm, const char *name);
void vm_set_uuid(struct vm *vm, const uint8_t uuid[16]);
void vm_unhash(struct vm *vm);	   /* removes it from the tables of living VMs; its id stays */
void vm_unlink(struct vm *vm);	   /* removes it from its list, if it is in one */
void vm_link_ended(struct vm *vm); /* adds it to the history, by the time of its end */
void vm_unlink_ended(struct vm *vm);
struct vm *vm_ended_by_uuid(struct engine *en, const uint8_t uuid[16]); /* the newest, or NULL */

/* Walks the VMs that were in a list at vm_cursor_open(); vm_cursor_begin() chooses the list. */
void vm_cursor_open(struct vm_cursor *c, struct engine *en);
void vm_cursor_begin(struct vm_cursor *c, struct vm *first);
struct vm *vm_cursor_next(struct vm_cursor *c); /* NULL: the end */
void vm_cursor_close(struct vm_cursor *c);

void vms_announce_low(struct engine *en, const struct pool_flavor *f); /* VM_EV_POOL_LOW */
void vm_announce_console(struct vm *vm);			       /* VM_EV_CONSOLE */
/* Takes over what other toolstacks may have changed of the domain: CPU time, vCPUs, pause. */
void vm_see(struct vm *vm, const struct xen_domain_info *info);
/* chaosd pauses or unpauses the domain: what was read from Xen before is not valid any more. */
void vm_unsee(struct vm *vm);

struct engine_observer *vms_observers(const struct engine *en);

/* Calls the observers; each may remove itself meanwhile. */
static inline void vm_announce(struct vm *vm, enum vm_event ev)
{
	struct engine_observer *next;

	for (struct engine_observer *ob = vms_observers(vm_engine(vm)); ob; ob = next) {
		next = ob->next;
		ob->fn(ob, ev, vm, NULL);
	}
}

#endif
