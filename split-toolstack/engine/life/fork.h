/* SPDX-License-Identifier: BSD-3-Clause */
/* Fork: guests request children, which are copies of them (branch.h) with a channel to the parent.
 */
#ifndef CHAOS_ENGINE_LIFE_FORK_H
#define CHAOS_ENGINE_LIFE_FORK_H

struct engine;
struct vm;

/* A guest has requested a child: it is made and answered, or refused, now or as soon as the VM
 * runs; not during a change of the VM. */
void fork_wanted(struct vm *vm);
/* Destroys VMs whose parents are gone, in the next turn of the loop. */
void fork_orphaned(struct engine *en);
/* The VM's requests are not answered any more. */
void fork_over(struct vm *vm);
void forks_close(struct engine *en);

#endif
