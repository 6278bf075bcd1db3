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
	int listener; /* -1: `fd` is the only client; the process ends with it */
	int fd;	      /* -1: no client */
	/* ours */
	struct acceptor accepting;
	ev_io reading;
	ev_io writing;
	struct control_packet *first;
	struct control_packet **tail;
	uint32_t queued;
};

/* Starts the watchers, and sets the `tell` function of the devices. */
void control_start(struct control *c);
/* Closes the sockets. */
void control_stop(struct control *c);

/* Installs chaos-backend's seccomp filter for all its threads: no new files, sockets, programs
 * or executable memory. */
int confine_filter(struct err *e);
/* Changes from root to `user` (a name or a number; NULL: no change), and drops everything that
 * could give root back. */
int confine_user(const char *user, struct err *e);

#endif
