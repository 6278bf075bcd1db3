/* SPDX-License-Identifier: BSD-3-Clause */
/* A client's open file, pipe or socket that a thread fills or reads, and that can be cancelled. */
#ifndef CHAOS_BASE_TRANSFER_H
#define CHAOS_BASE_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"

/*
 * The other end of a pipe may stand still for ever, and the open file is shared with its client, so
 * it is not made non-blocking: each call to a pipe or socket waits in poll(2) for its turn and for
 * a cancel alike. One thread reads or writes; any thread may cancel.
 */
struct transfer {
	int fd;
	int cancel;	/* eventfd */
	bool cancelled; /* atomic */
	bool polled;	/* a pipe, socket or terminal: no regular file or block device */
	bool sock;
	uint64_t bytes; /* moved so far; of the thread, to be read by others when it has ended */
};

/* Takes `fd`, also when it fails. -EINVAL: not open for reading or `writing`; -EMFILE. */
int transfer_open(struct transfer *t, int fd, bool writing, struct err *e);
/* No thread uses it any more. */
void transfer_close(struct transfer *t);
/* What waits ends with -ECANCELED, and each call after it. */
void transfer_cancel(struct transfer *t);
bool transfer_is_cancelled(const struct transfer *t);

/* Writes all of it: 0, or -errno (-ECANCELED, -ENOSPC, -EPIPE, ...). Changes iov[]. */
int transfer_write(struct transfer *t, struct iovec *iov, unsigned int n);
/* Reads until iov[] is full or the file ends: the bytes read, fewer only at its end; or -errno.
 * Changes iov[]. */
ssize_t transfer_read(struct transfer *t, struct iovec *iov, unsigned int n);

#endif
