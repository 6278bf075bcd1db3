/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots to and from files of clients, for other hosts. */
#ifndef CHAOS_ENGINE_LIFE_PACK_H
#define CHAOS_ENGINE_LIFE_PACK_H

#include "split-toolstack/engine/life/save.h"
#include "split-toolstack/engine/snapshots/snapshots.h"

/* Once. `x` is the snapshot, NULL when rc < 0 or it was removed meanwhile; `bytes` were moved. */
typedef void snapshot_pack_fn(void *arg, int rc, const struct snapshot *x, uint64_t bytes,
			      const struct err *e);

/* Copies the snapshot's stream into `fd` (a file, pipe or socket), which is taken in any case; the
 * caller syncs it. `fn` comes later, unless this fails. -EBUSY: STREAMS_MOST are under way. */
int snapshot_pack(struct engine *en, const char *name, int fd, snapshot_pack_fn *fn, void *arg,
		  stream_id *id, struct err *e);
/* The same the other way: all of `fd` becomes a snapshot, when it is a whole stream that this host
 * could run. Its parent is the one that its VM had. */
int snapshot_unpack(struct engine *en, const char *name, int fd, snapshot_pack_fn *fn, void *arg,
		    stream_id *id, struct err *e);
/* Its client is gone: nothing comes of it, unless it has its name already. */
void snapshot_pack_cancel(struct engine *en, stream_id id);

#endif
