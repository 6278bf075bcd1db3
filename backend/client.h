/* SPDX-License-Identifier: BSD-3-Clause */
/* chaosd's side of chaos-backend: start or find it, attach and detach devices. */
#ifndef NOXS_BACKEND_CLIENT_H
#define NOXS_BACKEND_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "backend/proto.h"

struct backend_client;

/* What comes back; called from backend_client_read() only. Any may be NULL. Texts are the
 * process's, valid during the call. */
struct backend_calls {
	/* An attach's answer; err (a positive errno) 0: attached, with a vbd's sectors. */
	void (*attached)(void *arg, uint64_t id, int err, const char *text, uint64_t sectors);
	/* A detach's answer; ENOENT when it was not attached. The device's file and rings are not
	 * used any more. */
	void (*detached)(void *arg, uint64_t id, int err);
	/* The device ended by itself; the text says why. */
	void (*broken)(void *arg, uint64_t id, int err, const char *text);
	/* backend_client_list(): each device, then the end. */
	void (*device)(void *arg, const struct backend_device *d);
	void (*listed)(void *arg);
};

/*
 * Connects to the process that listens at `path` (absolute, in a directory of root's), or starts
 * `exe` there (NULL: does not) for `user` (NULL: root; it inherits stderr) and connects. The
 * process lives on when the client ends: after a restart, list what it has. *started says which it
 * was. It serves one client at a time: while another is connected nothing is answered. Never waits.
 */
int backend_client_open(struct backend_client **out, const char *path, const char *exe,
			const char *user, const struct backend_calls *calls, void *arg,
			bool *started, struct err *e);
/* Closes the connection; devices stay. NULL is fine. */
void backend_client_close(struct backend_client *c);

/* To be watched for reading always, for writing while backend_client_wants_write(). */
int backend_client_fd(const struct backend_client *c);
bool backend_client_wants_write(const struct backend_client *c);
/* Sends what is queued. */
int backend_client_write(struct backend_client *c, struct err *e);
/* Takes all packets that are there and makes the calls. -EPIPE: the process is gone, and with it
 * all devices; close this client. -EPROTO likewise. No call may close the client. */
int backend_client_read(struct backend_client *c, struct err *e);

/* Requests; queued when the socket is full. `m` needs everything but version, type and bytes. The
 * file stays the caller's, who may close it at once. That the process is gone shows with the next
 * backend_client_read() or _write(). -ENOMEM, -EMFILE. */
int backend_client_attach_vif(struct backend_client *c, const struct backend_vif *m, int tap,
			      struct err *e);
int backend_client_attach_vbd(struct backend_client *c, const struct backend_vbd *m, int disk,
			      struct err *e);
int backend_client_detach(struct backend_client *c, uint64_t id, struct err *e);
int backend_client_list(struct backend_client *c, struct err *e);

#endif
