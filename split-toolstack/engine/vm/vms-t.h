/* SPDX-License-Identifier: BSD-3-Clause */
/* All VMs: their lists and tables, as the files of vm/ see them. */
#ifndef CHAOS_VM_VMS_T_H
#define CHAOS_VM_VMS_T_H

#include <stdint.h>

#include "split-toolstack/engine/vm/state.h"

struct engine_observer;
struct vm;
struct vm_cursor;

struct vms {
	const struct life_cell (*life)[LIFE_EVENTS]; /* life_table */
	struct vm *alive, **alive_tail;
	struct vm *ended;
	uint32_t nended;
	uint64_t moves;				 /* of VMs into either list */
	struct vm_cursor *cursors;		 /* utlist head */
	struct vm *by_name, *by_uuid, *by_domid; /* uthash heads, of the living */
	struct engine_observer *observers;
};

#endif
