/* SPDX-License-Identifier: BSD-3-Clause */
/* Children that guests ask for: copies of them (branch.h) with a channel to their parent. */
#ifndef CHAOS_ENGINE_LIFE_FORK_H
#define CHAOS_ENGINE_LIFE_FORK_H

struct engine;
struct vm;

/* A guest wants a child: it is made and answered, or refused, now or as soon as the VM runs. Not
 * inside what happens to the VM. */
void fork_wanted(struct vm *vm);
/* VMs whose parents are gone are destroyed, at the next turn of the loop. */
void fork_orphaned(struct engine *en);
/* No request of it is answered any more. */
void fork_over(struct vm *vm);
void forks_close(struct engine *en);

#endif
