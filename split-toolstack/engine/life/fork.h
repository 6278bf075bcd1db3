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
/* All VMs of the last daemon that could be found are known: children find their parents, and
 * requests that were not answered are. */
void fork_adopt(struct engine *en);
/* Its domain goes. */
void fork_over(struct vm *vm);
/* The daemon ends, and the VM runs on. */
void fork_forget(struct vm *vm);
void forks_close(struct engine *en);

#endif
