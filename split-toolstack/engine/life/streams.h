/* SPDX-License-Identifier: BSD-3-Clause */
/* What saves and restores have in common. */
#ifndef CHAOS_ENGINE_LIFE_STREAMS_H
#define CHAOS_ENGINE_LIFE_STREAMS_H

#include <stdbool.h>
#include "base/err.h"
#include "base/transfer.h"
#include "split-toolstack/engine/life/save.h"
#include "split-toolstack/engine/parts/parts.h"

/* What waits until one more may be under way; embedded in its owner's struct. */
struct stream_wait {
	struct stream_wait *prev, *next;
	void (*fn)(struct stream_wait *w, bool closing); /* closing: never, the engine closes */
};

struct stream_wait;

/* One more is under way, and has this id: -EBUSY when there are STREAMS_MOST. */
int streams_take(struct engine *en, stream_id *id, struct err *e);
/* Its end; what waits longest begins. */
void streams_give(struct engine *en);
/* What begins now has to wait. */
bool streams_full(const struct engine *en);
/* w->fn is called later, in the order of the waiting; false: there is room now. */
bool streams_wait(struct engine *en, struct stream_wait *w);
/* Takes engine_settings(en)->branch_kib over. */
void streams_limit(struct engine *en);
/* Before anything of it. -ENOMEM. */
int streams_make(struct engine *en, struct err *e);
void streams_free(struct engine *en); /* not open is fine */
/* The engine closes: nothing waits any more. */
void streams_end(struct engine *en);
/* On a thread that has no hurry, between two of its steps: the CPU is for others. */
void streams_breathe(struct engine *en);
/* A thread has no handle of Xen, which worker.c has logged: -EAGAIN. */
int streams_no_handle(struct err *e);
/* The client's file, which may not answer, is closed by a thread where that can wait. */
void stream_close(struct engine *en, struct transfer *file);
/* The engine closes, and the worker after this: what waits for a client or a pipe ends, and the VMs
 * go on. save.c, restore.c, branch.c */
void saves_close(struct engine *en);
void restores_close(struct engine *en);
void branches_close(struct engine *en);
void packs_close(struct engine *en); /* pack.c */

#endif
