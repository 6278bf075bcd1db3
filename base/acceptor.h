/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepting connections on a loop. */
#ifndef CHAOS_BASE_ACCEPTOR_H
#define CHAOS_BASE_ACCEPTOR_H

#include <stdbool.h>

#include <ev.h>

/* A listening socket on a loop; embedded in a struct of its user. At the limit of open files, or
 * without memory, new connections stay queued in the kernel, a line is logged, and accepting
 * pauses for a moment; without the pause the loop would spin, because the socket stays readable. */
struct acceptor {
	struct ev_loop *loop;
	ev_io io;
	ev_timer pause;
	void (*accepted)(struct acceptor *a,
			 int fd); /* called for each connection; `fd` is non-blocking,
				     close-on-exec, and belongs to the callee */
	void *data;		  /* for the user */
	bool told;		  /* the line was logged */
};

/* Starts accepting on `fd`, which must be non-blocking and is closed by the caller. */
void acceptor_start(struct acceptor *a, struct ev_loop *loop, int fd,
		    void (*accepted)(struct acceptor *a, int fd), void *data);
/* Stops it; `a` was started or is all zero. It may be started again. */
void acceptor_stop(struct acceptor *a);

#endif
