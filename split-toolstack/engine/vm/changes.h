/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes of a VM, for life/: each function changes what changes together. */
#ifndef CHAOS_VM_CHANGES_H
#define CHAOS_VM_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/registry/record-t.h"

struct dom;
struct slot;
struct vm;

/* --- as an object --- */
/* A VM without a name, in no list; the parts of other rooms are zero. NULL: out of memory. */
struct vm *vm_alloc(struct engine *en);
/* Other rooms have closed their parts before. */
void vm_dealloc(struct vm *vm);
/* For a VM that is in no table. */
void vm_set_first_name(struct vm *vm, const char *name);

/* --- its create --- */
void vm_is_asked_for(struct vm *vm, enum vm_want want, bool restart);
/* `old` is in the history and has the same uuid: it is the past of this VM, and is removed when
 * this VM runs. */
void vm_has_past(struct vm *vm, const struct vm *old);
bool vm_is_of_past(const struct vm *vm);
void vm_past_is_over(struct vm *vm);

/* --- its domain --- */
/* Its domain is made: slot, mapped pages, and whether its guest waits at its gate. vm_domid() stays
 * 0. */
void vm_given_domain(struct vm *vm, const struct dom *d, const struct slot *slot, uint8_t *map,
		     bool at_gate);
/* The guest's ends of its channels, if they were allocated; 0: none. */
void vm_given_ports(struct vm *vm, uint32_t guest_port, uint32_t store_port);
void vm_given_map(struct vm *vm, uint8_t *map);
/* From now on it is found by its domain. */
void vm_is_built(struct vm *vm, bool noxs, bool direct);

/* --- its run --- */
/* Its state becomes running, or paused if that is the desired state. */
void vm_is_started(struct vm *vm);
void vm_set_ready(struct vm *vm, bool ready);

/* --- its end --- */
void vm_has_reason(struct vm *vm, enum vm_reason reason, int exit_code);
void vm_ends(struct vm *vm); /* sets the time of its end */
/* The same for a VM that is to be built again. */
void vm_ends_to_restart(struct vm *vm);

/* --- after a restart of the daemon --- */
void vm_is_left_as(struct vm *vm, enum vm_state was, uint32_t domid);
/* Sets why it cannot be adopted; false: the reason is the same as before. */
bool vm_is_left_for(struct vm *vm, const char *why);
/* For a VM of which only the file is left: it is as it was when it was put to sleep. */
void vm_is_found_asleep(struct vm *vm);

#endif
