/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots to and from files of clients, for other hosts. */
#ifndef CHAOS_ENGINE_LIFE_PACK_H
#define CHAOS_ENGINE_LIFE_PACK_H

#include "split-toolstack/engine/life/save.h"
#include "split-toolstack/engine/snapshots/snapshots.h"

/* Called once. `x` is the snapshot, NULL if rc < 0 or it was removed meanwhile; `bytes` were
 * copied. */
typedef void snapshot_pack_fn(void *arg, int rc, const struct snapshot *x, uint64_t bytes,
			      const struct err *e);

/* Copies the snapshot's stream into `fd` (a file, pipe or socket), which it closes in any case; the
 * caller syncs the file. `fn` is called later, unless this fails. -EBUSY: STREAMS_MOST are running.
 */
int snapshot_pack(struct engine *en, const char *name, int fd, snapshot_pack_fn *fn, void *arg,
		  stream_id *id, struct err *e);
/* Makes a snapshot from all of `fd`, if that is a complete stream that this host could run. Its
 * parent is the snapshot of the VM in it. */
int snapshot_unpack(struct engine *en, const char *name, int fd, snapshot_pack_fn *fn, void *arg,
		    stream_id *id, struct err *e);
/* The client has disconnected: cancels it, unless the snapshot has its name already. */
void snapshot_pack_cancel(struct engine *en, stream_id id);

#endif
