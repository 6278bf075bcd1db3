/* SPDX-License-Identifier: BSD-3-Clause */
/* chaosd's side of chaos-backend: finds or starts the process, attaches and detaches devices. */
#ifndef NOXS_BACKEND_CLIENT_H
#define NOXS_BACKEND_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "backend/proto.h"

struct backend_client;

/* Called for answers, by backend_client_read() only. Any may be NULL. Texts are those of
 * chaos-backend and valid during the call. */
struct backend_calls {
	/* The answer to an attach; err (a positive errno) is 0 if the device is attached, with
	 * the sectors of a vbd. */
	void (*attached)(void *arg, uint64_t id, int err, const char *text, uint64_t sectors);
	/* The answer to a detach; ENOENT: it was not attached. The device's file and rings are
	 * not used any more. */
	void (*detached)(void *arg, uint64_t id, int err);
	/* The device has ended by itself; the text says why. */
	void (*broken)(void *arg, uint64_t id, int err, const char *text);
	/* Answer to backend_client_list(): called for each device, then once for the end of the
	 * list. */
	void (*device)(void *arg, const struct backend_device *d);
	void (*listed)(void *arg);
};

/* Connects to the process that listens at `path` (absolute, in a directory of root), or, if
 * there is none and `exe` is not NULL, starts `exe` there for `user` (NULL: root; stderr is
 * inherited) and connects. The process continues when the client ends; after a restart, list its
 * devices. *started: it was started now. It serves one client at a time: while another one is
 * connected it does not answer. Does not block. */
int backend_client_open(struct backend_client **out, const char *path, const char *exe,
			const char *user, const struct backend_calls *calls, void *arg,
			bool *started, struct err *e);
/* Closes the connection; devices stay. NULL is allowed. */
void backend_client_close(struct backend_client *c);

/* Watch it for reading always, and for writing while backend_client_wants_write(). */
int backend_client_fd(const struct backend_client *c);
bool backend_client_wants_write(const struct backend_client *c);
/* Sends queued requests. */
int backend_client_write(struct backend_client *c, struct err *e);
/* Reads all packets that have arrived and makes the calls. -EPIPE: the process, and all of its
 * devices, have ended; close this client. -EPROTO: do the same. The called functions must not
 * close the client. */
int backend_client_read(struct backend_client *c, struct err *e);

/* Requests; they are queued if the socket is full. Set all of `m` except version, type and
 * bytes. The caller may close the file at once. If the process has ended, the next
 * backend_client_read() or _write() returns that. -ENOMEM, -EMFILE. */
int backend_client_attach_vif(struct backend_client *c, const struct backend_vif *m, int tap,
			      struct err *e);
int backend_client_attach_vbd(struct backend_client *c, const struct backend_vbd *m, int disk,
			      struct err *e);
int backend_client_detach(struct backend_client *c, uint64_t id, struct err *e);
int backend_client_list(struct backend_client *c, struct err *e);

#endif
