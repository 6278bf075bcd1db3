/* SPDX-License-Identifier: BSD-3-Clause */
/* The file NAME.snap of a snapshot. */
#ifndef CHAOS_ENGINE_SNAPSHOTS_NAMEFILE_H
#define CHAOS_ENGINE_SNAPSHOTS_NAMEFILE_H

#include "split-toolstack/engine/snapshots/snapshots.h"

#define SNAPSHOT_FILE ".vm"   /* follows a digest: the stream */
#define SNAPSHOT_NAME ".snap" /* follows a name */
#define FILE_NAME     (IMAGE_NAME_MAX + 8)

/* Both work in the folder `dirfd`, on any thread. The file is written to `temp`, synced, and
 * gets its name, which no file may have; the folder is not synced. */
int namefile_write(int dirfd, const char *temp, const struct snapshot *x, struct err *e);
/* `file` is NAME.snap. -EPROTO: damaged, or of an unknown version; another error: it cannot be
 * read. */
int namefile_read(int dirfd, const char *file, struct snapshot *x, struct err *e);

#endif
