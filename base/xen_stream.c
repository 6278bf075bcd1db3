/* SPDX-License-Identifier: BSD-3-Clause */
/* Starts and ends processes of chaos-stream (stream_main.c). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/xen_private.h"
#include "base/xen_stream.h"

#define PIPE_BYTES (1 << 20) /* so that both processes work at the same time */

struct xen_stream {
	pid_t pid;
	struct xen_stream_verdict *v;
};

static int make_pipe(bool restore, int end[2])
{
	int p[2];
	int rc;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	end[0] = p[restore ? 1 : 0]; /* the caller's */
	end[1] = p[restore ? 0 : 1];
	(void)fcntl(p[0], F_SETPIPE_SZ, PIPE_BYTES); /* a smaller one is only slower */
	rc = fcntl(end[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (rc < 0) {
		(void)close(p[0]);
		(void)close(p[1]);
	}
	return rc;
}

/* A program of its own, not only a fork: other threads of chaosd may hold locks of libraries. */
static int start(const struct xen_stream_want *w, int pipe_end, int result, pid_t *pid)
{
	char *const none[] = {NULL};
	posix_spawn_file_actions_t files;
	char text[5][24];
	char name[] = "chaos-stream";
	char what[8];
	char *args[] = {name, text[0], what, text[1], text[2], text[3], text[4], NULL};
	int rc;

	(void)snprintf(what, sizeof(what), "%s", w->restore ? "restore" : "save");
	(void)snprintf(text[0], sizeof(text[0]), "%d", getpid());
	(void)snprintf(text[1], sizeof(text[1]), "%u", w->domid);
	(void)snprintf(text[2], sizeof(text[2]), "%llu", (unsigned long long)w->frames);
	(void)snprintf(text[3], sizeof(text[3]), "%u", w->store_port);
	(void)snprintf(text[4], sizeof(text[4]), "%u", w->console_port);
	rc = posix_spawn_file_actions_init(&files);
	if (rc)
		return -rc;
	rc = posix_spawn_file_actions_adddup2(&files, pipe_end, XEN_STREAM_PIPE);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&files, result, XEN_STREAM_RESULT);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&files, XEN_STREAM_RESULT + 1);
	if (rc == 0)
		rc = posix_spawn(pid, XEN_STREAM_PROGRAM, &files, NULL, args, none);
	(void)posix_spawn_file_actions_destroy(&files);
	return -rc;
}

static void close_both(const int end[2])
{
	(void)close(end[0]);
	(void)close(end[1]);
}

static int map_result(struct xen_stream *s)
{
	int fd = memfd_create("chaos-stream", MFD_CLOEXEC);
	int rc = fd < 0 || ftruncate(fd, sizeof(*s->v)) < 0 ? -errno : 0;

	s->v = MAP_FAILED;
	if (rc == 0)
		s->v = mmap(NULL, sizeof(*s->v), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (rc == 0 && s->v == MAP_FAILED)
		rc = -errno;
	if (rc == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static void forget(struct xen_stream *s)
{
	if (s->v != MAP_FAILED)
		(void)munmap(s->v, sizeof(*s->v));
	free(s);
}

int xen_stream_begin(const struct xen_stream_want *w, struct xen_stream **out, int *fd)
{
	struct xen_stream *s = calloc(1, sizeof(*s));
	int end[2] = {-1, -1};
	int result;
	int rc;

	*out = NULL;
	if (!s)
		return -ENOMEM;
	result = map_result(s);
	rc = result < 0 ? result : make_pipe(w->restore, end);
	if (rc == 0) {
		s->v->rc = -EINTR;
		rc = start(w, end[1], result, &s->pid);
		if (rc < 0)
			close_both(end);
		else
			(void)close(end[1]);
	}
	if (result >= 0)
		(void)close(result);
	if (rc < 0) {
		forget(s);
		return rc;
	}
	*out = s;
	*fd = end[0];
	return 0;
}

int xen_stream_wait(const struct xen_stream *s, int cancel)
{
	struct pollfd f[2] = {{.fd = (int)syscall(SYS_pidfd_open, s->pid, 0), .events = POLLIN},
			      {.fd = cancel, .events = POLLIN}};
	int rc = f[0].fd < 0 ? -errno : 0;

	while (rc == 0 && poll(f, 2, -1) < 0)
		if (errno != EINTR)
			rc = -errno;
	if (rc == 0 && !f[0].revents)
		rc = -ECANCELED;
	if (f[0].fd >= 0)
		(void)close(f[0].fd);
	return rc;
}

int xen_stream_end(struct xen_stream *s, bool stop, struct xen_stream_result *r)
{
	int status = 0;
	int rc;

	if (stop)
		(void)kill(s->pid, SIGKILL);
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	/* the child has ended: nothing changes this any more */
	*r = s->v->r;
	rc = s->v->rc;
	r->why[sizeof(r->why) - 1] = '\0';
	for (char *at = r->why; *at; at++)
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	if (WIFSIGNALED(status)) {
		rc = -EINTR;
		(void)snprintf(r->why, sizeof(r->why), "the child process was ended by signal %d",
			       WTERMSIG(status));
	}
	forget(s);
	return rc < 0 ? rc : 0;
}

int xen_guest_frames(struct xen *x, uint32_t domid, uint64_t *frames)
{
	xen_pfn_t n = 0;

	if (xc_domain_nr_gpfns(x->xch, domid, &n) < 0)
		return -errno;
	*frames = n;
	return 0;
}
