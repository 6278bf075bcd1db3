/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets to and from chaos-backend, and starting it. */
#include "backend/client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unix.h"

struct packet {
	struct packet *next;
	int fd; /* to pass, -1: none */
	union backend_message m;
};

struct backend_client {
	int fd;
	const struct backend_calls *calls;
	void *arg;
	struct packet *first;
	struct packet **tail;
};

/* --- sending --- */

static void drop_first(struct backend_client *c)
{
	struct packet *p = c->first;

	c->first = p->next;
	if (!c->first)
		c->tail = &c->first;
	if (p->fd >= 0)
		(void)close(p->fd);
	free(p);
}

int backend_client_write(struct backend_client *c, struct err *e)
{
	while (c->first) {
		const struct packet *p = c->first;
		int rc = unix_send(c->fd, &p->m, p->m.head.bytes, &p->fd, p->fd >= 0 ? 1 : 0,
				   MSG_DONTWAIT);

		if (rc == -EAGAIN || rc == -ETOOMANYREFS)
			return 0;
		if (rc < 0)
			return err_sys(e, -rc, "send to chaos-backend");
		drop_first(c);
	}
	return 0;
}

static int put(struct backend_client *c, uint16_t type, const void *m, uint32_t bytes, int fd,
	       struct err *e)
{
	struct packet *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(&p->m, m, bytes);
	p->m.head.version = BACKEND_VERSION;
	p->m.head.type = type;
	p->m.head.bytes = bytes;
	p->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0 && p->fd < 0) {
		int code = errno;

		free(p);
		return err_sys(e, code, "copy the descriptor of the device");
	}
	*c->tail = p;
	c->tail = &p->next;
	(void)backend_client_write(c, NULL); /* the next read or write finds its end */
	return 0;
}

int backend_client_attach_vif(struct backend_client *c, const struct backend_vif *m, int tap,
			      struct err *e)
{
	return put(c, BACKEND_ATTACH_VIF, m, sizeof(*m), tap, e);
}

int backend_client_attach_vbd(struct backend_client *c, const struct backend_vbd *m, int disk,
			      struct err *e)
{
	return put(c, BACKEND_ATTACH_VBD, m, sizeof(*m), disk, e);
}

int backend_client_detach(struct backend_client *c, uint64_t id, struct err *e)
{
	struct backend_head m = {.id = id};

	return put(c, BACKEND_DETACH, &m, sizeof(m), -1, e);
}

int backend_client_list(struct backend_client *c, struct err *e)
{
	struct backend_head m = {0};

	return put(c, BACKEND_LIST, &m, sizeof(m), -1, e);
}

/* --- receiving --- */

static int handle(const struct backend_client *c, union backend_message *m, ssize_t got)
{
	const struct backend_calls *f = c->calls;
	struct backend_reply *r = &m->reply;

	if (got < (ssize_t)sizeof(m->head) || m->head.version != BACKEND_VERSION ||
	    m->head.bytes != (size_t)got)
		return -EPROTO;
	if (m->head.type == BACKEND_DEVICE) {
		if ((size_t)got != sizeof(m->device))
			return -EPROTO;
		if (f->device)
			f->device(c->arg, &m->device);
		return 0;
	}
	if ((size_t)got != sizeof(*r))
		return -EPROTO;
	r->text[BACKEND_TEXT - 1] = '\0';
	switch (m->head.type) {
	case BACKEND_ATTACHED:
	case BACKEND_FAILED:
		if ((r->err == 0) != (m->head.type == BACKEND_ATTACHED))
			return -EPROTO;
		if (f->attached)
			f->attached(c->arg, r->head.id, (int)r->err, r->text, r->sectors);
		return 0;
	case BACKEND_DETACHED:
		if (f->detached)
			f->detached(c->arg, r->head.id, (int)r->err);
		return 0;
	case BACKEND_BROKEN:
		if (f->broken)
			f->broken(c->arg, r->head.id, (int)r->err, r->text);
		return 0;
	case BACKEND_LISTED:
		if (f->listed)
			f->listed(c->arg);
		return 0;
	default:
		return -EPROTO;
	}
}

int backend_client_read(struct backend_client *c, struct err *e)
{
	for (;;) {
		union backend_message m;
		ssize_t got = recv(c->fd, &m, sizeof(m), MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(e, EPIPE, "chaos-backend has ended");
		if (handle(c, &m, got) < 0)
			return err_set(e, EPROTO, "chaos-backend sent a malformed message");
	}
}

int backend_client_fd(const struct backend_client *c)
{
	return c->fd;
}

bool backend_client_wants_write(const struct backend_client *c)
{
	return c->first != NULL;
}

/* --- starting and ending --- */

static int adopt(struct backend_client **out, int fd, const struct backend_calls *calls, void *arg,
		 struct err *e)
{
	struct backend_client *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)close(fd);
		return err_set(e, ENOMEM, "out of memory");
	}
	c->fd = fd;
	c->calls = calls;
	c->arg = arg;
	c->tail = &c->first;
	*out = c;
	return 0;
}

void backend_client_close(struct backend_client *c)
{
	if (!c)
		return;
	while (c->first)
		drop_first(c);
	(void)close(c->fd);
	free(c);
}

__attribute__((noreturn)) static void become(int listener, const char *exe, const char *user)
{
	char *argv[6] = {(char *)(uintptr_t)exe, (char *)(uintptr_t) "--listen",
			 (char *)(uintptr_t) "3"};
	sigset_t none;

	if (user) {
		argv[3] = (char *)(uintptr_t) "--user";
		argv[4] = (char *)(uintptr_t)user;
	}
	/* Not a child of this process: it continues when this process ends, and need not be
	 * waited for. */
	if (setsid() < 0 || fork() != 0)
		_exit(0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (listener == 3)
		(void)fcntl(3, F_SETFD, 0);
	else if (dup2(listener, 3) < 0)
		_exit(127);
	(void)close_range(4, ~0u, 0);
	(void)execv(exe, argv);
	_exit(127);
}

static int start(const char *path, const char *exe, const char *user, struct err *e)
{
	struct unix_listener l = {
		.path = path, .type = SOCK_SEQPACKET, .backlog = 4, .group = UNIX_NO_GROUP};
	int fd;
	pid_t pid;
	int rc = 0;

	if (access(exe, X_OK) < 0)
		return err_sys(e, errno, "run %s", exe);
	fd = unix_listen(&l, e);
	if (fd < 0)
		return fd;
	pid = fork();
	if (pid == 0)
		become(fd, exe, user);
	if (pid < 0)
		rc = err_sys(e, errno, "fork to start %s", exe);
	else
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	(void)close(fd);
	return rc;
}

int backend_client_open(struct backend_client **out, const char *path, const char *exe,
			const char *user, const struct backend_calls *calls, void *arg,
			bool *started, struct err *e)
{
	int fd;
	int rc;

	*started = false;
	fd = unix_connect(path, SOCK_SEQPACKET, SOCK_NONBLOCK);
	if (exe && (fd == -ECONNREFUSED || fd == -ENOENT)) { /* not started, or it has ended */
		rc = start(path, exe, user, e);
		if (rc < 0)
			return rc;
		*started = true;
		fd = unix_connect(path, SOCK_SEQPACKET, SOCK_NONBLOCK);
	}
	if (fd < 0)
		return err_sys(e, -fd, "connect to %s", path);
	return adopt(out, fd, calls, arg, e);
}
