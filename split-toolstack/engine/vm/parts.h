/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM for rooms above vm/: its properties, and the part of each room. */
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
struct mapping;

/* --- what it is; engine.h: vm_name(), vm_domid() --- */
struct engine *vm_engine(const struct vm *vm);
const uint8_t *vm_uuid_bytes(const struct vm *vm);
const struct vm_config *vm_cfg(const struct vm *vm);
struct vm_config *vm_change_cfg(struct vm *vm);
bool vm_has_noxs(const struct vm *vm);
bool vm_said_ready(const struct vm *vm);
bool vm_is_direct(const struct vm *vm);	     /* it also has a noxs entry */
uint64_t vm_started_ns(const struct vm *vm); /* wall clock, ns; 0: never */
uint64_t vm_ended_ns(const struct vm *vm);

/* --- its domain --- */
const struct dom *vm_dom(const struct vm *vm);
struct dom *vm_change_dom(struct vm *vm);
struct slot *vm_slot(struct vm *vm);
uint32_t vm_slot_domid(const struct vm *vm); /* while it is being built: the id that it will have */
uint32_t vm_slot_port(const struct vm *vm);
void vm_keep_port(struct vm *vm, uint32_t port); /* sets the port of its slot */
uint8_t *vm_map(const struct vm *vm); /* device page, then control page; NULL: not mapped */
uint32_t vm_guest_port(const struct vm *vm);
uint32_t vm_store_port(const struct vm *vm);
uint64_t vm_pages(const struct vm *vm);
uint64_t vm_dev_frame(const struct vm *vm);
uint64_t vm_control_frame(const struct vm *vm);
bool vm_at_gate(const struct vm *vm);
void vm_leaves_gate(struct vm *vm);
void vm_drop_store_port(struct vm *vm);
/* For a VM of the pool, which is in no table: sets its domain with all that belongs to it. */
void vm_put_domain(struct vm *vm, const struct dom *d, const uint8_t uuid[16],
		   const struct slot *slot, uint8_t *map);
uint8_t *vm_take_map(struct vm *vm);
void vm_drop_domid(struct vm *vm);

/* --- as the last daemon left it, until it is adopted --- */
enum vm_state vm_was(const struct vm *vm);
uint32_t vm_was_domid(const struct vm *vm); /* 0: none */

/* --- parts of other rooms --- */
struct guest *vm_guest(const struct vm *vm);
struct device_set *vm_devices(struct vm *vm);
struct vm *vm_of_devices(struct device_set *set);
struct reservation **vm_reservations(struct vm *vm);
struct files **vm_files(struct vm *vm); /* files to build it from */
struct life *vm_life(struct vm *vm);
const struct life *vm_known_life(const struct vm *vm);
struct vm *vm_of_life(struct life *life);
struct mapping *vm_mapping(struct vm *vm); /* of its shell */

#endif
