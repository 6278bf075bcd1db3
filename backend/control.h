/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket of chaos-backend: one client at a time. */
#ifndef NOXS_BACKEND_CONTROL_H
#define NOXS_BACKEND_CONTROL_H

#include "base/acceptor.h"
#include "backend/device.h"

struct control_packet;

struct control {
	/* IN */
	struct ev_loop *loop;
	struct devices *devices;
	int listener; /* -1: `fd` is the only client, and its end is ours */
	int fd;	      /* -1: none yet */
	/* ours */
	struct acceptor accepting;
	ev_io reading;
	ev_io writing;
	struct control_packet *first;
	struct control_packet **tail;
	uint32_t queued;
};

/* Starts the watchers, and becomes the devices' `tell`. */
void control_start(struct control *c);
/* Closes the sockets. */
void control_stop(struct control *c);

/* chaos-backend's seccomp filter for all its threads: no new files, sockets, programs or memory
 * that is code. */
int confine_filter(struct err *e);
/* Gives up root for `user` (a name or a number; NULL: stay) and everything that could bring it
 * back. */
int confine_user(const char *user, struct err *e);

#endif
