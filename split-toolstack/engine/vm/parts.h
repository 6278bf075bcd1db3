/* SPDX-License-Identifier: BSD-3-Clause */
/* What rooms above vm/ ask of a VM, and the part of it that each of them has. */
#ifndef CHAOS_VM_PARTS_H
#define CHAOS_VM_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/engine.h"

struct device_set;
struct dom;
struct files;
struct guest;
struct life;
struct reservation;
struct slot;
struct vm_config;
struct window;

/* --- what it is; engine.h: vm_name(), vm_domid() --- */
struct engine *vm_engine(const struct vm *vm);
const uint8_t *vm_uuid_bytes(const struct vm *vm);
const struct vm_config *vm_cfg(const struct vm *vm);
struct vm_config *vm_change_cfg(struct vm *vm);
bool vm_has_noxs(const struct vm *vm);
bool vm_said_ready(const struct vm *vm);
bool vm_is_direct(const struct vm *vm);	     /* it has a noxs entry, too */
uint64_t vm_started_ns(const struct vm *vm); /* wall clock, as all of these; 0: never */
uint64_t vm_ended_ns(const struct vm *vm);

/* --- its domain --- */
const struct dom *vm_dom(const struct vm *vm);
struct dom *vm_change_dom(struct vm *vm);
struct slot *vm_slot(struct vm *vm);
uint32_t vm_slot_domid(const struct vm *vm); /* while it is being built: the id to come */
uint32_t vm_slot_port(const struct vm *vm);
void vm_keep_port(struct vm *vm, uint32_t port); /* its slot has this port of dom0 from now on */
uint8_t *vm_map(const struct vm *vm); /* device page, then control page; NULL: not mapped */
uint32_t vm_guest_port(const struct vm *vm);
uint32_t vm_store_port(const struct vm *vm);
uint64_t vm_pages(const struct vm *vm);
uint64_t vm_dev_frame(const struct vm *vm);
uint64_t vm_control_frame(const struct vm *vm);
bool vm_at_gate(const struct vm *vm);
void vm_leaves_gate(struct vm *vm);
void vm_drop_store_port(struct vm *vm);
/* One that is in no table gets a domain with all that belongs to it, and gives it back. */
void vm_put_domain(struct vm *vm, const struct dom *d, const uint8_t uuid[16],
		   const struct slot *slot, uint8_t *map);
uint8_t *vm_take_map(struct vm *vm);
void vm_drop_domid(struct vm *vm);

/* --- as the last daemon left it, while it is not taken over --- */
enum vm_state vm_was(const struct vm *vm);
uint32_t vm_was_domid(const struct vm *vm); /* 0: none */

/* --- parts of other rooms --- */
struct guest *vm_guest(const struct vm *vm);
struct device_set *vm_devices(struct vm *vm);
struct vm *vm_of_devices(struct device_set *set);
struct reservation **vm_reservations(struct vm *vm);
struct files **vm_files(struct vm *vm); /* to be built from */
struct life *vm_life(struct vm *vm);
const struct life *vm_known_life(const struct vm *vm);
struct vm *vm_of_life(struct life *life);
struct window *vm_window(struct vm *vm); /* of its shell */

#endif
