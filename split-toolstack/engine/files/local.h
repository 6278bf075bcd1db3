/* SPDX-License-Identifier: BSD-3-Clause */
/* Decides which files can be opened and closed on the loop because no server is involved. */
#ifndef CHAOS_ENGINE_FILES_LOCAL_H
#define CHAOS_ENGINE_FILES_LOCAL_H

#include <stdbool.h>

#include <ev.h>

/* --- mounts.c --- */

/* Whether all mounts of this host are of file systems whose open() uses data in memory, and
 * which do not contact a server when a file that was only read is closed. The state is that of
 * the last time the loop waited. Only for the loop's thread. */
bool mounts_are_local(void);
/* Watches for changes of mounts, and reads the current ones; the caller stops `io`. */
void mounts_watch(struct ev_loop *loop, ev_io *io);

/* --- quick.c --- */

/* Opens a regular file for reading, or returns -EAGAIN if that might block, so that a thread
 * must do it. Relative paths start at the folder `dirfd`. */
int quick_open(int dirfd, const char *path);

#endif
