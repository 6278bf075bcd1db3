/* SPDX-License-Identifier: BSD-3-Clause */
/* Members of a VM, for rooms that do not know its structure. */
#include "split-toolstack/engine/vm/parts.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/vm/vm-t.h"

void vm_put_domain(struct vm *vm, const struct dom *d, const uint8_t uuid[16],
		   const struct slot *slot, uint8_t *map)
{
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	memcpy(vm->cfg.uuid, uuid, sizeof(vm->cfg.uuid));
	vm->dom = *d;
	vm->slot = *slot;
	vm->map = map;
	vm->domid = d->domid;
	vm->guest_port = d->console_port;
	vm->store_port = d->store_port;
	vm->dev_frame = d->dev_frame;
	vm->control_frame = d->control_frame;
	vm->pages = d->pages;
	(void)snprintf(vm->name, sizeof(vm->name), "(pool, domain %u)", vm->domid);
}

uint8_t *vm_take_map(struct vm *vm)
{
	uint8_t *map = vm->map;

	vm->map = NULL;
	return map;
}

struct vm *vm_of_devices(struct device_set *set)
{
	return (struct vm *)(void *)((char *)set - offsetof(struct vm, devices));
}

struct engine *vm_engine(const struct vm *vm)
{
	return vm->en;
}

const uint8_t *vm_uuid_bytes(const struct vm *vm)
{
	return vm->uuid;
}

const struct vm_config *vm_cfg(const struct vm *vm)
{
	return &vm->cfg;
}

struct vm_config *vm_change_cfg(struct vm *vm)
{
	return &vm->cfg;
}

bool vm_has_noxs(const struct vm *vm)
{
	return vm->noxs;
}

bool vm_said_ready(const struct vm *vm)
{
	return vm->ready;
}

bool vm_is_direct(const struct vm *vm)
{
	return vm->direct;
}

uint64_t vm_started_ns(const struct vm *vm)
{
	return vm->started_ns;
}

uint64_t vm_ended_ns(const struct vm *vm)
{
	return vm->ended_ns;
}

enum vm_state vm_was(const struct vm *vm)
{
	return vm->left.was;
}

uint32_t vm_was_domid(const struct vm *vm)
{
	return vm->left.domid;
}

const struct dom *vm_dom(const struct vm *vm)
{
	return &vm->dom;
}

struct dom *vm_change_dom(struct vm *vm)
{
	return &vm->dom;
}

struct slot *vm_slot(struct vm *vm)
{
	return &vm->slot;
}

uint32_t vm_slot_domid(const struct vm *vm)
{
	return slot_domid(&vm->slot);
}

uint32_t vm_slot_port(const struct vm *vm)
{
	return slot_port(&vm->slot);
}

void vm_keep_port(struct vm *vm, uint32_t port)
{
	slot_set_port(&vm->slot, port);
}

uint8_t *vm_map(const struct vm *vm)
{
	return vm->map;
}

uint32_t vm_guest_port(const struct vm *vm)
{
	return vm->guest_port;
}

uint32_t vm_store_port(const struct vm *vm)
{
	return vm->store_port;
}

uint64_t vm_pages(const struct vm *vm)
{
	return vm->pages;
}

uint64_t vm_dev_frame(const struct vm *vm)
{
	return vm->dev_frame;
}

uint64_t vm_control_frame(const struct vm *vm)
{
	return vm->control_frame;
}

bool vm_at_gate(const struct vm *vm)
{
	return vm->at_gate;
}

void vm_leaves_gate(struct vm *vm)
{
	vm->at_gate = false;
}

void vm_drop_store_port(struct vm *vm)
{
	vm->store_port = 0;
}

void vm_drop_domid(struct vm *vm)
{
	vm->domid = 0;
}

struct guest *vm_guest(const struct vm *vm)
{
	return vm->guest;
}

struct device_set *vm_devices(struct vm *vm)
{
	return &vm->devices;
}

struct reservation **vm_reservations(struct vm *vm)
{
	return &vm->reservations;
}

struct files **vm_files(struct vm *vm)
{
	return &vm->files;
}

struct life *vm_life(struct vm *vm)
{
	return &vm->life;
}

const struct life *vm_known_life(const struct vm *vm)
{
	return &vm->life;
}

struct vm *vm_of_life(struct life *life)
{
	return (struct vm *)(void *)((char *)life - offsetof(struct vm, life));
}

struct mapping *vm_mapping(struct vm *vm)
{
	return &vm->mapping;
}
