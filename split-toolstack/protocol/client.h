/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's end of a connection to chaosd. Needs libc alone, so that a static client starts
 * fast. */
#ifndef CHAOS_CLIENT_H
#define CHAOS_CLIENT_H

#include "base/err.h"
#include "split-toolstack/protocol/wire.h"

struct client {
	int fd;
	uint32_t tag; /* of the last request */
	uint8_t *in;  /* the frame last received; PROTO_FRAME_MAX bytes */
	uint8_t *out;
};

/* Connects to `path`, else $CHAOS_SOCKET, else /run/chaos/chaosd.sock. Errors say whether the
 * daemon is not running or the caller has no rights. */
int client_open(struct client *c, const char *path, struct err *e);
void client_close(struct client *c);

/* Starts a request in the client's buffer, with a fresh tag; fields are added by wire_*(). */
void client_begin(struct client *c, struct wire_out *w, enum proto_op op);
/* Sends it with open files, which stay the caller's. -E2BIG: the frame is too large. */
int client_send(struct client *c, struct wire_out *w, const int *fds, uint32_t nfd, struct err *e);
/* A finished frame, without waiting: -EAGAIN, with no message, when the daemon has not taken what
 * was sent before. */
int client_send_now(struct client *c, const void *frame, uint32_t len, const int *fds, uint32_t nfd,
		    struct err *e);
/* Waits for the next frame; it is valid until the next call. An PROTO_ERROR frame becomes a
 * negative errno with the daemon's message. */
int client_receive(struct client *c, struct wire_in *in, struct err *e);
/* Receives until PROTO_OK, which is left in *in; items go to fn (may be NULL). */
int client_finish(struct client *c, struct wire_in *in,
		  int (*fn)(const struct wire_in *item, void *arg), void *arg, struct err *e);

#endif
