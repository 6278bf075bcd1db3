/* SPDX-License-Identifier: BSD-3-Clause */
/* Unix sockets: listening with rights, connecting, and packets with open files. */
#ifndef CHAOS_BASE_UNIX_H
#define CHAOS_BASE_UNIX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* `type` is SOCK_STREAM or SOCK_SEQPACKET; all sockets here are close-on-exec. */

struct unix_listener {
	const char *path;
	int type;
	int backlog;
	gid_t group; /* may connect as the owner may; UNIX_NO_GROUP: the owner alone */
};
#define UNIX_NO_GROUP ((gid_t)-1)

/* Makes a socket at the path that has its rights before the first connection, and listens. A socket
 * that was left there is replaced. Returns a non-blocking fd; -EADDRINUSE: a process listens there
 * already; -EEXIST: what is there is no socket; or another negative errno. */
int unix_listen(const struct unix_listener *l, struct err *e);

/* Connects to a socket; `flags`: 0 or SOCK_NONBLOCK, then a full queue is -EAGAIN. The fd, or a
 * negative errno: -ENOENT and -ECONNREFUSED say that nothing listens. */
int unix_connect(const char *path, int type, int flags);

#define UNIX_FILES_MAX 16u

/* Sends a packet with files, which stay the caller's; at most UNIX_FILES_MAX. `flags` as in
 * sendmsg(2); SIGPIPE is never raised. 0 or a negative errno. */
int unix_send(int fd, const void *buf, size_t len, const int *files, uint32_t nfile, int flags);

/* Takes one packet of a SOCK_SEQPACKET socket, without waiting, and up to `most` files of it, which
 * are the caller's. Its length; 0: the end (an empty packet is one); -EAGAIN; -EMSGSIZE: it is
 * larger than `room`; -EMFILE: not all its files could be taken; or another negative errno. With 0
 * or an error no file is left open. */
ssize_t unix_receive(int fd, void *buf, size_t room, int *files, uint32_t most, uint32_t *nfile);

#endif
