/* SPDX-License-Identifier: BSD-3-Clause */
/* A client's open file, pipe or socket that a thread reads or writes, and that can be cancelled
 * at any time. */
#ifndef CHAOS_BASE_TRANSFER_H
#define CHAOS_BASE_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"

/* The other end of a pipe may stop reading forever, and other processes may have the same end
 * open. So before each read or write the thread waits in poll(2), for the file or for a cancel,
 * and the call itself does not block. A pipe is opened again with O_NONBLOCK, because setting
 * the flag on the passed file would change it for other processes. One thread reads or writes;
 * any thread may cancel. */
struct transfer {
	int fd;		/* of a pipe: another descriptor than the one that was passed */
	int cancel;	/* eventfd */
	bool cancelled; /* atomic */
	bool polled;	/* a pipe, socket or character device: not a regular file or block device */
	bool sock, pipe;
	bool own;	 /* the pipe was opened again here */
	bool no_reader;	 /* a pipe that had no reader when it was opened */
	uint8_t *bounce; /* buffer for memory that the kernel cannot read or write directly; NULL
			    until it is needed */
	off_t at;	 /* offset of the next read; -1: use the file's own offset */
	uint64_t bytes;	 /* bytes so far; written by the thread, other threads may read it when the
			    thread has ended */
};

/* Takes ownership of `fd`, also on failure. -EINVAL: not open for reading (or `writing`), or a
 * terminal or something else without bytes; -EMFILE. */
int transfer_open(struct transfer *t, int fd, bool writing, struct err *e);
/* Closes it, when no thread uses it any more. */
void transfer_close(struct transfer *t);
/* Makes the current wait, and each later call, return -ECANCELED. */
void transfer_cancel(struct transfer *t);
bool transfer_is_cancelled(const struct transfer *t);

/* True for a regular file whose bytes are in memory (memfd, tmpfs), at most `most` of them:
 * reading it waits for no disk, file system or other process. */
bool transfer_in_memory(const struct transfer *t, uint64_t most);

/* Sets the offset of the next read of a regular file, independent of the file's own offset,
 * which other processes may change. -1: use the file's own offset again, and set it behind what
 * was read. No effect on other files. */
void transfer_at(struct transfer *t, off_t at);

/* Writes all of iov[]: 0, or -errno (-ECANCELED, -ENOSPC, -EPIPE, ...). Changes iov[]. */
int transfer_write(struct transfer *t, struct iovec *iov, unsigned int n);
/* Reads until iov[] is full or the file ends. Returns the number of bytes, smaller only at the
 * end of the file, or -errno. Changes iov[]. */
ssize_t transfer_read(struct transfer *t, struct iovec *iov, unsigned int n);

#endif
