/* SPDX-License-Identifier: BSD-3-Clause */
/* Children of guests (noxs/abi.h, FORK): the words in their pages, and the shared pages. */
#ifndef CHAOS_GUEST_FORK_H
#define CHAOS_GUEST_FORK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "noxs/control.h"
#include "split-toolstack/engine/guest/guests.h"

struct engine;
struct vm;

/* Whether its guest has requested a child and was not answered yet. */
bool fork_is_wanted(const struct vm *vm);
/* Whether nothing may be written into its pages now. */
bool fork_is_still(const struct vm *vm);
/* Reads the request, each word once; it is not checked. */
void fork_request(const struct vm *vm, struct noxs_fork_request *out);
uint32_t fork_children(const struct vm *vm); /* number of children that run */
/* Its child with that number, or in that slot; NULL: none runs. */
struct vm *fork_child_of_number(const struct vm *vm, uint32_t number);
struct vm *fork_child_in_slot(const struct vm *vm, uint32_t slot);
/* 0: the slot can be used; -EBUSY: the last child's pages are still mapped; or -errno. */
int fork_slot_check(struct vm *vm, uint32_t slot);
/* Answers request `seq` with a child that has been started, or with NULL and an error < 0. */
void fork_answer(struct vm *vm, uint32_t seq, const struct vm *child, int error);

/* For a VM whose configuration says that it is a child, before its device page is filled: makes
 * the channel. *words is for its page. -ESRCH: its parent is gone. */
int fork_connect(struct vm *child, struct noxs_fork *words, struct err *e);
/* Its reason and exit code are known: writes its status into the parent's page, before the end
 * is recorded. */
void fork_tell_end(const struct vm *child);
/* Its domain will be destroyed: its parent's grants are taken back, and its children become
 * orphans. */
void fork_close(struct vm *vm);
/* The same without a status for the parent: the daemon ends, and the VM continues. */
void fork_leave(struct vm *vm);
/* It must be destroyed; guests_ops.orphaned() is called later. */
void fork_make_orphan(struct vm *vm);
/* The next VM that must be destroyed because its parent is gone, which is removed from the list;
 * NULL: none. */
struct vm *fork_next_orphan(struct engine *en);

/* Starts with the control page: new (all zero), of a saved guest, or as the last daemon has left
 * it. */
void fork_begin_new(struct vm *vm);
void fork_begin_saved(struct vm *vm);
void fork_begin_adopted(struct vm *vm);
/* Call it when all VMs of the last daemon are adopted: finds the parents of children, takes back
 * grants without a child, writes the status of children that have ended meanwhile, and answers
 * requests. */
void fork_adopt(struct engine *en);

#endif
