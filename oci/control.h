/* SPDX-License-Identifier: BSD-3-Clause */
/* Between commands and the monitor: one packet there, one back, over ROOT/ID/control. */
#ifndef CHAOS_OCI_CONTROL_H
#define CHAOS_OCI_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "join/join.h"
#include "oci/state.h"

/* Asks the monitor and waits for the answer. -ENOENT, -ECONNREFUSED: there is none. */
int control_ask(const struct container *c, enum control_op op, uint32_t number, struct err *e);

/* The same step by step: the connection, which is the caller's, with the request sent; and one
 * answer: what it says, 0 or more, or an error. -EPIPE: the container ended. */
int control_begin(const struct container *c, enum control_op op, uint32_t number, const int *files,
		  uint32_t nfile, struct err *e);
int control_hear(int fd, int ms, const struct container *c, struct err *e);

/* A request at the monitor. `fn` takes what it keeps of `files` (-1 in its place then). */
struct control_call {
	struct control_request rq;
	int fd; /* of its connection */
	int files[CONTROL_FILES];
	bool later; /* set: the connection is kept, and answered by control_say()
		     */
};
typedef int control_fn(void *ctx, struct control_call *call, struct err *e);

/* The monitor's end: listens; takes one request, which `fn` does, answers with what that returned,
 * and closes connection and files; answers. */
int control_listen(const struct container *c, struct err *e);
/* "chaos exec" finds it. */
void control_publish(const struct container *c);
void control_serve(int listener, control_fn *fn, void *ctx);
int control_unknown(const struct control_request *rq, struct err *e); /* -EINVAL, with its text */
void control_say(int fd, int rc, const struct err *e);

#endif
