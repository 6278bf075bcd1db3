/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves, restores and branches: their number, the limit, and those that wait. */
#ifndef CHAOS_ENGINE_LIFE_STREAMS_H
#define CHAOS_ENGINE_LIFE_STREAMS_H

#include <stdbool.h>
#include "base/err.h"
#include "base/transfer.h"
#include "split-toolstack/engine/life/save.h"
#include "split-toolstack/engine/parts/parts.h"

/* Waits until one more may run; embedded in the owner's structure. */
struct stream_wait {
	struct stream_wait *prev, *next;
	void (*fn)(struct stream_wait *w, bool closing); /* closing: the engine closes */
};

/* Counts one more and gives it an id. -EBUSY: STREAMS_MOST are running. */
int streams_take(struct engine *en, stream_id *id, struct err *e);
/* One has ended; the one that has waited longest begins. */
void streams_give(struct engine *en);
/* Whether one that begins now must wait. */
bool streams_full(const struct engine *en);
/* w->fn will be called later, in the order of these calls; false: it can begin now. */
bool streams_wait(struct engine *en, struct stream_wait *w);
/* Reads engine_settings(en)->limits.branch_kib again. */
void streams_limit(struct engine *en);
/* Called before all others. -ENOMEM. */
int streams_make(struct engine *en, struct err *e);
void streams_free(struct engine *en); /* allowed if it is not open */
/* The engine closes: ends all waits. */
void streams_end(struct engine *en);
/* Called by a thread between two steps of work that is not urgent: leaves the CPU to others. */
void streams_breathe(struct engine *en);
/* Sets the error of a thread without a handle of Xen, which worker.c has logged: -EAGAIN. */
int streams_no_handle(struct err *e);
/* Closes a client's file: on a thread if closing it can block. */
void stream_close(struct engine *en, struct transfer *file);
/* The engine closes, and the worker after this: what waits for a client or a pipe ends, and the VMs
 * go on. save.c, restore.c, branch.c */
void saves_close(struct engine *en);
void restores_close(struct engine *en);
void branches_close(struct engine *en);
void packs_close(struct engine *en); /* pack.c */

#endif
