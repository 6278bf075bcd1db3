/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that can be opened and closed on the loop, since nothing there waits for a server. */
#ifndef CHAOS_ENGINE_FILES_LOCAL_H
#define CHAOS_ENGINE_FILES_LOCAL_H

#include <stdbool.h>

#include <ev.h>

/* --- mounts.c --- */

/* All mounts of this host are of file systems whose open() takes what lies in memory, and which
 * have nothing to tell a server when a file is closed that was only read; as of when the loop
 * waited last. For the loop's thread alone. */
bool mounts_are_local(void);
/* Hears of mounts that come and go, and reads those that there are; `io` is stopped by its owner.
 */
void mounts_watch(struct ev_loop *loop, ev_io *io);

/* --- quick.c --- */

/* Opens a regular file for reading at once, or -EAGAIN: only a thread can tell whether that waits.
 * A relative path begins in the folder `dirfd`. */
int quick_open(int dirfd, const char *path);

#endif
