/* SPDX-License-Identifier: BSD-3-Clause */
/* The lists and tables of VMs. They close and delete nothing. */
#ifndef CHAOS_VM_VM_H
#define CHAOS_VM_VM_H

#include <stdint.h>

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"

struct xen_domain_info;

/* A place in a list of VMs that stays valid while VMs come and leave. Embedded in what walks it. */
struct vm_cursor {
	struct engine *en;
	struct vm_cursor *prev, *next;
	struct vm *vm;	 /* the next one */
	uint64_t opened; /* the last move before it */
};

void vms_close(struct engine *en); /* not open is fine */
/* The engine closes: the living are found no more, but are in their list. */
void vms_unhash(struct engine *en);
/* The first of either list, which is in none then; NULL: that was all. */
struct vm *vms_take_alive(struct engine *en);
struct vm *vms_take_ended(struct engine *en);

/* Name and uuid out of its configuration, or made up. -EEXIST: another living one of ours has it.
 */
int vm_identify(struct vm *vm, struct err *e);
void vm_link_alive(struct vm *vm);	       /* into list and tables; name and uuid set */
void vm_set_domid(struct vm *vm, uint32_t id); /* 0 takes it out of the table */
/* Of one in the tables of the living. */
void vm_set_name(struct vm *vm, const char *name);
void vm_set_uuid(struct vm *vm, const uint8_t uuid[16]);
void vm_unhash(struct vm *vm);	   /* out of the tables of the living; its id stays */
void vm_unlink(struct vm *vm);	   /* out of its list, if it is in one */
void vm_link_ended(struct vm *vm); /* into the history, by the time of its end */
void vm_unlink_ended(struct vm *vm);
struct vm *vm_ended_by_uuid(struct engine *en, const uint8_t uuid[16]); /* the newest, or NULL */

/* VMs that are in a list when it opens; vm_cursor_begin() says in which. */
void vm_cursor_open(struct vm_cursor *c, struct engine *en);
void vm_cursor_begin(struct vm_cursor *c, struct vm *first);
struct vm *vm_cursor_next(struct vm_cursor *c); /* NULL: that was all */
void vm_cursor_close(struct vm_cursor *c);

void vms_announce_low(struct engine *en, const struct pool_flavor *f); /* VM_EV_POOL_LOW */
void vm_announce_console(struct vm *vm);			       /* VM_EV_CONSOLE */
/* What Xen says of its domain, as others may have changed it. */
void vm_see(struct vm *vm, const struct xen_domain_info *info);
/* We pause or unpause it: what was seen before says nothing. */
void vm_unsee(struct vm *vm);

struct engine_observer *vms_observers(const struct engine *en);

/* Tells the observers; each may leave meanwhile. */
static inline void vm_announce(struct vm *vm, enum vm_event ev)
{
	struct engine_observer *next;

	for (struct engine_observer *ob = vms_observers(vm_engine(vm)); ob; ob = next) {
		next = ob->next;
		ob->fn(ob, ev, vm, NULL);
	}
}

#endif
