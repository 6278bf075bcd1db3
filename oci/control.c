/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket. Its folder is root's alone, so whatever asks has the right to. */
#include "oci/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unix.h"

#define PATIENCE_MS 60000 /* of a command, for the monitor's answer */
#define GREETING_MS 1000  /* of the monitor, for a request */

int control_ask(const struct container *c, enum control_op op, uint32_t number, struct err *e)
{
	struct control_request rq = {.op = op, .number = number};
	struct control_answer a = {.rc = -EPIPE};
	struct pollfd p = {.events = POLLIN};
	char path[64];
	uint32_t none;
	int rc;

	container_socket(c, path, sizeof(path));
	p.fd = unix_connect(path, SOCK_SEQPACKET, 0);
	if (p.fd < 0)
		return err_sys(e, -p.fd, "container %s: its monitor", c->id);
	rc = unix_send(p.fd, &rq, sizeof(rq), NULL, 0, 0);
	if (rc == 0 && poll(&p, 1, PATIENCE_MS) == 0)
		rc = -ETIMEDOUT;
	if (rc == 0 && unix_receive(p.fd, &a, sizeof(a), NULL, 0, &none) < (ssize_t)sizeof(a.rc))
		rc = -EPIPE;
	(void)close(p.fd);
	if (rc == -EPIPE)
		return err_set(e, EPIPE, "container %s: it ended", c->id);
	if (rc < 0)
		return err_sys(e, -rc, "container %s: its monitor does not answer", c->id);
	a.message[sizeof(a.message) - 1] = '\0';
	return a.rc < 0 ? err_set(e, -a.rc, "%s", a.message) : 0;
}

int control_listen(const struct container *c, struct err *e)
{
	char path[64];
	struct unix_listener l = {
		.path = path, .type = SOCK_SEQPACKET, .backlog = 16, .group = UNIX_NO_GROUP};

	container_socket(c, path, sizeof(path));
	return unix_listen(&l, e);
}

int control_take(int listener, struct control_request *rq)
{
	struct pollfd p = {.events = POLLIN};
	uint32_t none;

	p.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (p.fd < 0)
		return -errno;
	if (poll(&p, 1, GREETING_MS) == 1 &&
	    unix_receive(p.fd, rq, sizeof(*rq), NULL, 0, &none) == (ssize_t)sizeof(*rq))
		return p.fd;
	(void)close(p.fd);
	return -EPROTO;
}

void control_answer(int fd, int rc, const struct err *e)
{
	struct control_answer a = {.rc = rc};

	if (rc < 0)
		(void)strncpy(a.message, err_msg(e), sizeof(a.message) - 1);
	(void)unix_send(fd, &a, sizeof(a), NULL, 0, MSG_DONTWAIT);
	(void)close(fd);
}
