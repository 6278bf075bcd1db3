/* SPDX-License-Identifier: BSD-3-Clause */
/* Children of guests (noxs/abi.h, FORK): what their pages say of each other, and what they share.
 */
#ifndef CHAOS_GUEST_FORK_H
#define CHAOS_GUEST_FORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "noxs/control.h"
#include "split-toolstack/engine/guest/guests.h"

struct engine;
struct vm;

/* Its guest has asked for a child: a request that was not answered yet. */
bool fork_is_wanted(const struct vm *vm);
/* Nothing is written into its pages now. */
bool fork_is_still(const struct vm *vm);
/* What it says, loaded once and not checked. */
void fork_request(const struct vm *vm, struct noxs_fork_request *out);
uint32_t fork_children(const struct vm *vm); /* that live */
/* Its child of that number, or in that slot; NULL: none lives. */
struct vm *fork_child_of_number(const struct vm *vm, uint32_t number);
struct vm *fork_child_in_slot(const struct vm *vm, uint32_t slot);
/* 0: what the last child of the slot had is free; -EBUSY: it is mapped still; else -errno. */
int fork_slot_check(struct vm *vm, uint32_t slot);
/* Answers request `seq` with a child that has been started, or with NULL and an error < 0. */
void fork_answer(struct vm *vm, uint32_t seq, const struct vm *child, int error);

/* Of a VM whose configuration says whose child it is, before its device page is filled: makes the
 * channel. *words is for its page. -ESRCH: its parent is gone. */
int fork_connect(struct vm *child, struct noxs_fork *words, struct err *e);
/* Its reason and exit code are known: its parent's guest is told, before that is recorded. */
void fork_tell_end(const struct vm *child);
/* Its domain goes: its parent takes back what it has shared, and its children are orphans. */
void fork_close(struct vm *vm);
/* The same, and the parent is not told: the daemon ends, and the VM runs on. */
void fork_leave(struct vm *vm);
/* It is to be destroyed: guests_ops.orphaned() follows. */
void fork_make_orphan(struct vm *vm);
/* The next VM that is to be destroyed because its parent is gone; NULL: none. It is none then. */
struct vm *fork_next_orphan(struct engine *en);

/* Its control page begins: new (all zero), as it was saved, or as the last daemon left it. */
void fork_begin_new(struct vm *vm);
void fork_begin_saved(struct vm *vm);
void fork_begin_adopted(struct vm *vm);
/* All VMs of the last daemon that could be found are known: children find their parents, parents
 * take back what is of no child and hear of those that have ended meanwhile, and requests are
 * answered. */
void fork_adopt(struct engine *en);

#endif
