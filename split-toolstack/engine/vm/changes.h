/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens to a VM, as life/ says it: each function changes what of the VM changes together. */
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
/* Without a name, in no list; NULL: no memory. Parts of other rooms are as calloc() makes them. */
struct vm *vm_alloc(struct engine *en);
/* What other rooms have in it is gone already. */
void vm_dealloc(struct vm *vm);
/* Of one in no table. */
void vm_set_first_name(struct vm *vm, const char *name);

/* --- its create --- */
void vm_is_asked_for(struct vm *vm, enum vm_want want, bool restart);
/* `old`, of the history, has its uuid: it is its past, from which it goes on when it runs. */
void vm_has_past(struct vm *vm, const struct vm *old);
bool vm_is_of_past(const struct vm *vm);
void vm_past_is_over(struct vm *vm);

/* --- its domain --- */
/* It is made: its place, pages, and whether the gate is closed still. The id stays in its slot. */
void vm_given_domain(struct vm *vm, const struct dom *d, const struct slot *slot, uint8_t *map,
		     bool at_gate);
/* Its own ends of channels, which are allocated already; 0: none. */
void vm_given_ports(struct vm *vm, uint32_t guest_port, uint32_t store_port);
void vm_given_map(struct vm *vm, uint8_t *map);
/* It is found by its domain from now on. */
void vm_is_built(struct vm *vm, bool noxs, bool direct);

/* --- its run --- */
/* Running, or paused if that is wanted. */
void vm_is_started(struct vm *vm);
void vm_set_ready(struct vm *vm, bool ready);

/* --- its end --- */
void vm_has_reason(struct vm *vm, enum vm_reason reason, int exit_code);
void vm_ends(struct vm *vm); /* now */
/* Now, and it is to be built again. */
void vm_ends_to_restart(struct vm *vm);

/* --- after a restart of the daemon --- */
void vm_is_left_as(struct vm *vm, enum vm_state was, uint32_t domid);
/* False: for the same reason as before. */
bool vm_is_left_for(struct vm *vm, const char *why);
/* Of one whose file alone is left: it is as it was when it fell asleep. */
void vm_is_found_asleep(struct vm *vm);

#endif
