/* SPDX-License-Identifier: BSD-3-Clause */
/* What saves and restores have in common. */
#ifndef CHAOS_ENGINE_LIFE_STREAMS_H
#define CHAOS_ENGINE_LIFE_STREAMS_H

#include "base/err.h"
#include "base/transfer.h"
#include "split-toolstack/engine/life/save.h"

/* One more is under way, and has this id: -EBUSY when there are STREAMS_MOST. en->streams.n is to
 * be lowered at its end. */
int streams_take(struct engine *en, stream_id *id, struct err *e);
/* A thread has no handle of Xen, which worker.c has logged: -EAGAIN. */
int streams_no_handle(struct err *e);
/* The client's file, which may not answer, is closed by a thread where that can wait. */
void stream_close(struct engine *en, struct transfer *file);
/* The engine closes, and the worker after this: what waits for a client or a pipe ends, and the VMs
 * go on. save.c, restore.c */
void saves_close(struct engine *en);
void restores_close(struct engine *en);

#endif
