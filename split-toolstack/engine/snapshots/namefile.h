/* SPDX-License-Identifier: BSD-3-Clause */
/* The small file of a snapshot's name. */
#ifndef CHAOS_ENGINE_SNAPSHOTS_NAMEFILE_H
#define CHAOS_ENGINE_SNAPSHOTS_NAMEFILE_H

#include "split-toolstack/engine/snapshots/snapshots.h"

#define SNAPSHOT_FILE ".vm"   /* behind a digest: the stream */
#define SNAPSHOT_NAME ".snap" /* behind a name */
#define FILE_NAME     (IMAGE_NAME_MAX + 8)

/* Both in the folder `dirfd`, on any thread. Written to `temp`, synced and renamed; the folder is
 * not synced. */
int namefile_write(int dirfd, const char *temp, const struct snapshot *x, struct err *e);
/* `file` is NAME.snap. -EPROTO: damaged, or of a version that is not known. */
int namefile_read(int dirfd, const char *file, struct snapshot *x, struct err *e);

#endif
