/* SPDX-License-Identifier: BSD-3-Clause */
/* Between commands and the monitor: one packet there, one back, over ROOT/ID/control. */
#ifndef CHAOS_OCI_CONTROL_H
#define CHAOS_OCI_CONTROL_H

#include <stdint.h>

#include "oci/state.h"

enum control_op { CONTROL_START = 1, CONTROL_KILL };

struct control_request {
	uint32_t op;	 /* enum control_op */
	uint32_t number; /* of a signal */
};

struct control_answer {
	int32_t rc; /* 0, or a negative errno with a message */
	char message[ERR_MSG_MAX];
};

/* Asks the monitor and waits for the answer. -ENOENT, -ECONNREFUSED: there is none. */
int control_ask(const struct container *c, enum control_op op, uint32_t number, struct err *e);

/* The monitor's end: listens; takes a connection with its request; answers and closes it. */
int control_listen(const struct container *c, struct err *e);
int control_take(int listener, struct control_request *rq);
void control_answer(int fd, int rc, const struct err *e);

#endif
