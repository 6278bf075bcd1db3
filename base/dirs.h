/* SPDX-License-Identifier: BSD-3-Clause */
/* Folders in which a privileged program keeps its files. */
#ifndef CHAOS_BASE_DIRS_H
#define CHAOS_BASE_DIRS_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Makes a folder (mode 0700, or 0755 with `open_to_readers`) and, if it is missing, its parent
 * (0755), and checks both. The folder must belong to this user (root, for a daemon), and no
 * other user may be able to write into it. The same holds for each folder above it, with two
 * exceptions: the group may write, and folders like /tmp are allowed, where users can only
 * delete their own files. Symbolic links on the way are followed if they are in such folders. So
 * no other user can have put anything into the folder that is opened there later. Returns an
 * O_PATH descriptor of it; -EPERM with the reason and what to do. */
int dir_prepare(const char *path, bool open_to_readers, struct err *e);

/* Returns -EPERM if the folder has a symbolic link, because libraries (LMDB) would follow it;
 * the message names the link. `dir` is an O_PATH descriptor, `path` is for the message. */
int dir_refuse_links(int dir, const char *path, struct err *e);

/* The next entry of the folder. NULL: there are no more, or the folder could not be read on, and
 * *rc is a negative errno; otherwise *rc is not changed. A name that was not read is not one that
 * does not exist. */
struct dirent *dir_next(DIR *d, int *rc);

#endif
