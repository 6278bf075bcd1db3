/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that running destroys will free; a build can wait for it. */
#ifndef CHAOS_ENGINE_MEMORY_H
#define CHAOS_ENGINE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/domain/memory-t.h"

struct engine;

/* `came` is called after each destroy. -ENOMEM. */
int memory_open(struct engine *en, void (*came)(struct engine *en), struct err *e);
void memory_close(struct engine *en); /* allowed if it is not open */
/* Whether so much is not free now, but destroys are running. Cheap if there are none. */
bool memory_is_coming(struct engine *en, uint64_t kib);
/* Notes the destroys that run now: if an allocation fails after this, it is worth waiting for them,
 * once. `again` is called when they have ended. The caller owns m. */
void memory_wait_init(struct engine *en, struct memory_wait *m,
		      void (*again)(struct memory_wait *m));
/* Destroys were noted, and it has not waited for them yet. */
bool memory_wait_helps(const struct memory_wait *m);
/* Waits for them; `again` is called at once if they have ended already. */
void memory_wait(struct engine *en, struct memory_wait *m);
/* A build on the worker begins, or ends; the number of those that run. */
void memory_build_begins(struct engine *en);
void memory_build_ends(struct engine *en);
uint32_t memory_builds(const struct engine *en);
/* A destroy begins. */
void memory_begins(struct engine *en);
/* The destroy will free so many pages. */
void memory_promise(struct engine *en, uint64_t pages);
/* Pages that the running destroys will free. */
uint64_t memory_promised(const struct engine *en);
/* A destroy has ended that was to free so many pages. */
void memory_came(struct engine *en, uint64_t pages);

#endif
