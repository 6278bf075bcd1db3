/* SPDX-License-Identifier: BSD-3-Clause */
/* Folders that a program with rights keeps its files in. */
#ifndef CHAOS_BASE_DIRS_H
#define CHAOS_BASE_DIRS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Makes a folder (0700, or 0755 with `open_to_readers`) and, when it is missing, the one above it
 * (0755), and checks what is there. Its owner must be this user (root, for a daemon), and no other
 * may write into it; the same holds for each folder above it, but for the group's right and
 * for folders like /tmp, where each user may only delete what is their own. Links on the way are
 * followed if such folders hold them. So what is opened in it later cannot have been put there by
 * another user. Returns an O_PATH descriptor of it; -EPERM with what is wrong and what to do.
 */
int dir_prepare(const char *path, bool open_to_readers, struct err *e);

/* Refuses a folder of ours that holds symbolic links: programs that are not ours (LMDB) would
 * follow them. -EPERM names the link. `dir` is an O_PATH descriptor, `path` for the message. */
int dir_refuse_links(int dir, const char *path, struct err *e);

#endif
