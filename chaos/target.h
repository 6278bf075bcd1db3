/* SPDX-License-Identifier: BSD-3-Clause */
/* The file that a save writes; it gets its name when it is complete and on the disk. */
#ifndef CHAOS_CHAOS_TARGET_H
#define CHAOS_CHAOS_TARGET_H

#include "base/err.h"

struct target {
	int fd;
	char *path; /* NULL: standard output, or an existing file that is not a regular file */
	char *temp; /* temporary name; NULL: it has none */
};

/* `path` "-" is standard output, which must not be a terminal. Call target_close() in any case. */
int target_open(struct target *t, const char *path, struct err *e);
/* Syncs a file or block device, and gives a file its name. On failure the name still belongs to
 * the file that had it before, or to the complete new file. */
int target_finish(struct target *t, struct err *e);
/* Waits until all bytes in a pipe have been read, or `until` is readable or closed. -EPIPE: the
 * reader has closed before. */
int target_drain(const struct target *t, int until, struct err *e);
/* Removes a file with a `path`, unless target_finish() was called. */
void target_close(struct target *t);

#endif
