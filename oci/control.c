/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket. Its folder is root's alone, so whatever asks has the right to. */
#include "oci/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unix.h"

#define PATIENCE_MS 60000  /* of a command, for the monitor's answer */
#define START_MS    300000 /* ... also until Linux has booted */
#define GREETING_MS 1000   /* of the monitor, for a request */

int control_begin(const struct container *c, enum control_op op, uint32_t number, const int *files,
		  uint32_t nfile, struct err *e)
{
	struct control_request rq = {.op = op, .number = number};
	char path[64];
	int fd;
	int rc;

	container_socket(c, path, sizeof(path));
	fd = unix_connect(path, SOCK_SEQPACKET, 0);
	if (fd == -ECONNREFUSED) /* since its state was read */
		return err_set(e, EPIPE, "container %s: it has ended", c->id);
	if (fd < 0)
		return err_sys(e, -fd, "container %s: connect to its monitor", c->id);
	rc = unix_send(fd, &rq, sizeof(rq), files, nfile, 0);
	if (rc == 0)
		return fd;
	(void)close(fd);
	return rc == -EPIPE ? err_set(e, EPIPE, "container %s: it has ended", c->id)
			    : err_sys(e, -rc, "container %s: send to its monitor", c->id);
}

int control_hear(int fd, int ms, const struct container *c, struct err *e)
{
	struct control_answer a;
	int rc = join_hear(fd, ms, &a);

	if (rc == -EINTR)
		return err_set(e, EINTR, "interrupted");
	if (rc == -EPIPE)
		return err_set(e, EPIPE, "container %s: it has ended", c->id);
	if (rc < 0)
		return err_sys(e, -rc, "container %s: wait for an answer from its monitor", c->id);
	return a.rc < 0 ? err_set(e, -a.rc, "%s", a.message) : a.rc;
}

int control_ask(const struct container *c, enum control_op op, uint32_t number, struct err *e)
{
	int fd = control_begin(c, op, number, NULL, 0, e);
	int rc = fd < 0 ? fd : control_hear(fd, op == CONTROL_START ? START_MS : PATIENCE_MS, c, e);

	if (fd >= 0)
		(void)close(fd);
	return rc;
}

int control_listen(const struct container *c, struct err *e)
{
	char path[64];
	struct unix_listener l = {
		.path = path, .type = SOCK_SEQPACKET, .backlog = 16, .group = UNIX_NO_GROUP};

	container_socket(c, path, sizeof(path));
	return unix_listen(&l, e);
}

/* A container whose VM cannot be found so runs as well. */
void control_publish(const struct container *c)
{
	char at[64];
	char folder[4096];
	char *to = NULL;
	char path[JOIN_PATH];
	ssize_t n;
	int lock = join_lock(NULL);

	(void)snprintf(at, sizeof(at), "/proc/self/fd/%d", c->dir);
	n = readlink(at, folder, sizeof(folder) - 1);
	if (lock >= 0 && n > 0 && asprintf(&to, "%.*s/control", (int)n, folder) > 0) {
		join_path(c->uuid, path);
		(void)symlink(to, path);
	}
	free(to);
	if (lock >= 0)
		(void)close(lock);
}

/* The connection with its request and files, or -1. */
static int take(int listener, struct control_call *call)
{
	struct pollfd p = {.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), .events = POLLIN};
	uint32_t n = 0;

	if (p.fd < 0 || (poll(&p, 1, GREETING_MS) == 1 &&
			 unix_receive(p.fd, &call->rq, sizeof(call->rq), call->files, CONTROL_FILES,
				      &n) == (ssize_t)sizeof(call->rq)))
		return p.fd;
	(void)close(p.fd);
	return -1;
}

int control_unknown(const struct control_request *rq, struct err *e)
{
	return err_set(e, EINVAL, "request %u (%u): unknown", rq->op, rq->number);
}

void control_serve(int listener, control_fn *fn, void *ctx)
{
	struct control_call call = {.files = {-1, -1, -1, -1}};
	struct err e = {0};
	int rc;

	call.fd = take(listener, &call);
	if (call.fd >= 0) {
		rc = fn(ctx, &call, &e);
		if (rc < 0 || !call.later) {
			control_say(call.fd, rc, &e);
			(void)close(call.fd);
		}
	}
	for (int i = 0; i < CONTROL_FILES; i++)
		if (call.files[i] >= 0)
			(void)close(call.files[i]);
}

void control_say(int fd, int rc, const struct err *e)
{
	struct control_answer a = {.rc = rc};

	if (rc < 0)
		(void)strncpy(a.message, err_msg(e), sizeof(a.message) - 1);
	(void)unix_send(fd, &a, sizeof(a), NULL, 0, MSG_DONTWAIT);
}
