/* SPDX-License-Identifier: BSD-3-Clause */
/* The file that a save writes: it has its name when it is whole and on the disk. */
#ifndef CHAOS_CHAOS_TARGET_H
#define CHAOS_CHAOS_TARGET_H

#include "base/err.h"

struct target {
	int fd;
	char *path; /* NULL: standard output, or something that is there and no regular file */
	char *temp; /* its name until then; NULL: it has none */
};

/* `path` of "-" is standard output, which must not be a terminal. target_close() in any case. */
int target_open(struct target *t, const char *path, struct err *e);
/* Its bytes are on the disk, if it is a file or a block device, and it has its name. On failure
 * either what had the name before has it still, or the whole file has it. */
int target_finish(struct target *t, struct err *e);
/* Waits until all bytes in a pipe have been read, or `until` is readable or closed. -EPIPE: the
 * reader went before. */
int target_drain(const struct target *t, int until, struct err *e);
/* Without target_finish() nothing is left of a file with a `path`. */
void target_close(struct target *t);

#endif
