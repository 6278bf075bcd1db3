/* SPDX-License-Identifier: BSD-3-Clause */
/* What servers on Unix sockets share: accepting, and packets with files. */
#ifndef CHAOS_BASE_UNIX_H
#define CHAOS_BASE_UNIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ev.h>

/* A socket that listens, on a loop; embedded in its owner's struct. At the limit of open files (or
 * without memory) connections stay where they are, a line is logged, and accepting pauses for a
 * moment: a socket that is always ready would have the loop spin. */
struct unix_acceptor {
	struct ev_loop *loop;
	ev_io io;
	ev_timer pause;
	void (*accepted)(struct unix_acceptor *a,
			 int fd); /* non-blocking, close-on-exec; owns it */
	void *data;		  /* the owner's */
	bool told;		  /* the line */
};

/* `fd` (non-blocking) stays the caller's. */
void unix_accept_start(struct unix_acceptor *a, struct ev_loop *loop, int fd,
		       void (*accepted)(struct unix_acceptor *a, int fd), void *data);
/* Of one that was started or is all zero; may be started again. */
void unix_accept_stop(struct unix_acceptor *a);

#define UNIX_FILES_MAX 16u

/* Takes one packet of a SOCK_SEQPACKET socket, without waiting, and up to `most` files of it, which
 * are the caller's. Its length; 0: the end (an empty packet is one); -EAGAIN; -EMSGSIZE: it is
 * larger than `room`; -EMFILE: not all its files could be taken; or another negative errno. With 0
 * or an error no file is left open. */
ssize_t unix_receive(int fd, void *buf, size_t room, int *files, uint32_t most, uint32_t *nfile);

#endif
