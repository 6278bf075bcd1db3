/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that destroys under way will give back: what is built next may wait for it. */
#ifndef CHAOS_ENGINE_MEMORY_H
#define CHAOS_ENGINE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/domain/memory-t.h"

struct engine;

/* `came` is called for each destroy that has ended. -ENOMEM. */
int memory_open(struct engine *en, void (*came)(struct engine *en), struct err *e);
void memory_close(struct engine *en); /* not open is fine */
/* So much is not free now, and destroys are under way. Without them it costs nothing. */
bool memory_is_coming(struct engine *en, uint64_t kib);
/* The youngest destroy under way, 0 without: what fails for want of memory from now on has reason
 * to wait until this one has ended. */
uint64_t memory_youngest(const struct engine *en);
/* Calls m->again when destroy m->until and all before it have ended: at once if they have. The
 * caller owns m. */
void memory_wait(struct engine *en, struct memory_wait *m);
/* A build for the worker begins and ends; so many are under way. */
void memory_build_begins(struct engine *en);
void memory_build_ends(struct engine *en);
uint32_t memory_builds(const struct engine *en);
/* A destroy begins. */
void memory_begins(struct engine *en);
/* It will give back so many pages. */
void memory_promise(struct engine *en, uint64_t pages);
/* What destroys under way have promised, in pages. */
uint64_t memory_promised(const struct engine *en);
/* A destroy has ended, which had promised so many pages. */
void memory_came(struct engine *en, uint64_t pages);

#endif
