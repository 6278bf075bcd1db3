/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepting connections on a loop. */
#ifndef CHAOS_BASE_ACCEPTOR_H
#define CHAOS_BASE_ACCEPTOR_H

#include <stdbool.h>

#include <ev.h>

/* A socket that listens, on a loop; embedded in its owner's struct. At the limit of open files (or
 * without memory) connections stay where they are, a line is logged, and accepting pauses for a
 * moment: a socket that is always ready would have the loop spin. */
struct acceptor {
	struct ev_loop *loop;
	ev_io io;
	ev_timer pause;
	void (*accepted)(struct acceptor *a, int fd); /* non-blocking, close-on-exec; owns it */
	void *data;				      /* the owner's */
	bool told;				      /* the line */
};

/* `fd` (non-blocking) stays the caller's. */
void acceptor_start(struct acceptor *a, struct ev_loop *loop, int fd,
		    void (*accepted)(struct acceptor *a, int fd), void *data);
/* Of one that was started or is all zero; may be started again. */
void acceptor_stop(struct acceptor *a);

#endif
