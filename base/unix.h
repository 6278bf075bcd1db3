/* SPDX-License-Identifier: BSD-3-Clause */
/* Unix sockets: listening with access rights, connecting, and packets with open files. */
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
	gid_t group; /* the group that may connect, besides the user; UNIX_NO_GROUP: only the user
		      */
};
#define UNIX_NO_GROUP ((gid_t)-1)

/* Makes a socket at the path, sets its rights before the first connection, and listens. A socket
 * on which no process listens is replaced. Returns a non-blocking fd; -EADDRINUSE: a process
 * listens there already; -EEXIST: the path exists and is not a socket; or another negative errno.
 */
int unix_listen(const struct unix_listener *l, struct err *e);

/* Connects to a socket. `flags`: 0 or SOCK_NONBLOCK (then a full queue is -EAGAIN). Returns the
 * fd, or a negative errno; -ENOENT and -ECONNREFUSED mean that no process listens. */
int unix_connect(const char *path, int type, int flags);

#define UNIX_FILES_MAX 16u

/* Sends a packet with at most UNIX_FILES_MAX open files, which the caller closes. `flags` as for
 * sendmsg(2); SIGPIPE is never raised. Returns 0 or a negative errno. */
int unix_send(int fd, const void *buf, size_t len, const int *files, uint32_t nfile, int flags);

/* Receives one packet of a SOCK_SEQPACKET socket without waiting, and up to `most` files, which
 * the caller closes. Returns its length; 0: the other side has closed (an empty packet counts as
 * that); -EAGAIN; -EMSGSIZE: larger than `room`; -EMFILE: not all files could be received; or
 * another negative errno. With 0 or an error no file is left open. */
ssize_t unix_receive(int fd, void *buf, size_t room, int *files, uint32_t most, uint32_t *nfile);

#endif
