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
 * The other end of a pipe may stand still for ever, and other processes may hold the same end. So
 * each piece waits in poll(2) for its turn and for a cancel alike, and the call after it does not
 * wait: a pipe is opened anew, without blocking, because O_NONBLOCK of what was passed would change
 * it for its other holders. One thread reads or writes; any thread may cancel.
 */
struct transfer {
	int fd;		/* of a pipe another one than was passed */
	int cancel;	/* eventfd */
	bool cancelled; /* atomic */
	bool polled;	/* a pipe, socket or character device: no regular file or block device */
	bool sock, pipe;
	bool own;	 /* the pipe's end was opened here */
	bool no_reader;	 /* a pipe that had none when it was opened */
	uint8_t *bounce; /* for memory that the file cannot move itself; NULL until one could not */
	off_t at;	 /* of the next read; -1: that of the file */
	uint64_t bytes;	 /* moved so far; of the thread, to be read by others when it has ended */
};

/* Takes `fd`, also when it fails. -EINVAL: not open for reading or `writing`, or a
 * terminal or another thing without bytes; -EMFILE. */
int transfer_open(struct transfer *t, int fd, bool writing, struct err *e);
/* No thread uses it any more. */
void transfer_close(struct transfer *t);
/* What waits ends with -ECANCELED, and each call after it. */
void transfer_cancel(struct transfer *t);
bool transfer_is_cancelled(const struct transfer *t);

/* A regular file whose bytes lie in memory (memfd, tmpfs), at most `most` of them: to read it waits
 * for no disk, file system or other process. */
bool transfer_in_memory(const struct transfer *t, uint64_t most);

/* A regular file is read from this offset on, whatever other holders of it do to its own; -1: again
 * at the file's own, which is set behind what was read. Does nothing to other files. */
void transfer_at(struct transfer *t, off_t at);

/* Writes all of it: 0, or -errno (-ECANCELED, -ENOSPC, -EPIPE, ...). Changes iov[]. */
int transfer_write(struct transfer *t, struct iovec *iov, unsigned int n);
/* Reads until iov[] is full or the file ends: the bytes read, fewer only at its end; or -errno.
 * Changes iov[]. */
ssize_t transfer_read(struct transfer *t, struct iovec *iov, unsigned int n);

#endif
