/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's end of a connection to chaosd. Uses only libc, so that a static client starts
 * quickly. */
#ifndef CHAOS_CLIENT_H
#define CHAOS_CLIENT_H

#include "base/err.h"
#include "split-toolstack/protocol/wire.h"

struct client {
	int fd;
	uint32_t tag; /* of the last request */
	uint8_t *in;  /* the last frame received; PROTO_FRAME_MAX bytes */
	uint8_t *out;
};

/* Connects to `path`; if it is NULL to $CHAOS_SOCKET, or /run/chaos/chaosd.sock. The error says
 * whether the daemon is not running or the caller has no permission. */
int client_open(struct client *c, const char *path, struct err *e);
void client_close(struct client *c);

/* Starts a request in the client's buffer, with a new tag; add fields with wire_*(). */
void client_begin(struct client *c, struct wire_out *w, enum proto_op op);
/* Sends it with open files, which the caller closes. -E2BIG: the frame is too large. */
int client_send(struct client *c, struct wire_out *w, const int *fds, uint32_t nfd, struct err *e);
/* Sends a finished frame without blocking: -EAGAIN, without a message, if the daemon has not
 * read earlier frames. */
int client_send_now(struct client *c, const void *frame, uint32_t len, const int *fds, uint32_t nfd,
		    struct err *e);
/* Waits for the next frame, which is valid until the next call. A PROTO_ERROR frame becomes a
 * negative errno with the daemon's message. */
int client_receive(struct client *c, struct wire_in *in, struct err *e);
/* Receives up to PROTO_OK, which is left in *in; items are passed to fn (may be NULL). */
int client_finish(struct client *c, struct wire_in *in,
		  int (*fn)(const struct wire_in *item, void *arg), void *arg, struct err *e);

#endif
