/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs the command "chaos migrate" as a separate process. It talks to the other host and decides
 * (ADR 0012), also if this process ends meanwhile. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOVES_MAX	16u
#define UNSURE		3    /* its exit status: chaos(1) */
#define TEXT_MAX	1024 /* of what it has said */
#define GATEWAY_TIMEOUT 504u

extern char **environ;

struct move {
	struct rq *rq;
	ev_io ended; /* a pidfd */
	pid_t pid;
	int out, err; /* memfds */
};

static void close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

static void move_free(struct move *m)
{
	struct api *a = m->rq->api;

	ev_io_stop(a->loop, &m->ended);
	close_fd(m->ended.fd);
	close_fd(m->out);
	close_fd(m->err);
	m->rq->move = NULL;
	a->moves--;
	free(m);
}

/* The last line of its output. */
static void last_line(int fd, char text[TEXT_MAX])
{
	off_t end = lseek(fd, 0, SEEK_END);
	off_t from = end > TEXT_MAX - 1 ? end - (TEXT_MAX - 1) : 0;
	ssize_t n = pread(fd, text, TEXT_MAX - 1, from);
	char *line;

	n = n < 0 ? 0 : n;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (strncmp(line, "chaos: ", 7) == 0)
		line += 7;
	memmove(text, line, strlen(line) + 1);
}

static void answer(struct move *m, int status)
{
	char text[TEXT_MAX];
	struct rq *rq = m->rq;
	json_error_t je;

	if (status == 0 && lseek(m->out, 0, SEEK_SET) == 0)
		rq->json = json_loadfd(m->out, 0, &je);
	last_line(m->err, text);
	move_free(m);
	if (rq->json)
		rq_answer(rq, MHD_HTTP_OK);
	else if (status == UNSURE)
		rq_refuse(rq, GATEWAY_TIMEOUT, ETIMEDOUT, text);
	else
		rq_problem(rq, ECANCELED, "%s", text[0] ? text : "chaos migrate has ended");
}

static void on_end(struct ev_loop *loop, ev_io *io, int revents)
{
	struct move *m = io->data;
	int status = 0;

	(void)loop;
	(void)revents;
	if (waitpid(m->pid, &status, WNOHANG) == 0)
		return;
	answer(m, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static int spawn(struct move *m, const char *path, bool stop)
{
	const char *argv[] = {"chaos", "migrate",   "--json", "--unix", path,
			      "--",    m->rq->what, NULL,     NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	if (stop) {
		argv[5] = "--stop";
		argv[6] = "--";
		argv[7] = m->rq->what;
	}
	sigemptyset(&none);
	sigfillset(&all);
	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&files, m->out, 1);
	(void)posix_spawn_file_actions_adddup2(&files, m->err, 2);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (m->rq->api->chaosd)
		(void)setenv("CHAOS_SOCKET", m->rq->api->chaosd, 1);
	rc = posix_spawnp(&m->pid, "chaos", &files, &attr, (char *const *)(uintptr_t)argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	return rc;
}

void move_begin(struct rq *rq, const char *path, bool stop)
{
	struct move *m;
	int fd = -1;
	int rc;

	if (rq->api->moves >= MOVES_MAX) {
		rq_problem(rq, EBUSY, "%u VMs are moved already", MOVES_MAX);
		return;
	}
	m = calloc(1, sizeof(*m));
	if (!m) {
		rq_problem(rq, ENOMEM, "out of memory");
		return;
	}
	m->rq = rq;
	m->out = memfd_create("out", MFD_CLOEXEC);
	m->err = memfd_create("err", MFD_CLOEXEC);
	rc = m->out < 0 || m->err < 0 ? errno : spawn(m, path, stop);
	if (rc == 0)
		fd = (int)syscall(SYS_pidfd_open, m->pid, 0);
	ev_io_init(&m->ended, on_end, fd, EV_READ);
	m->ended.data = m;
	rq->move = m;
	rq->api->moves++;
	if (rc == 0 && fd >= 0) {
		ev_io_start(rq->api->loop, &m->ended);
		return;
	}
	if (rc == 0) { /* it continues, but its end cannot be noticed */
		rc = errno;
		(void)kill(m->pid, SIGKILL);
		(void)waitpid(m->pid, NULL, 0);
	}
	move_free(m);
	rq_problem(rq, rc, "run chaos migrate: %s", strerror(rc));
}

/* This process ends; the command continues. */
void move_forget(struct rq *rq)
{
	if (rq->move)
		move_free(rq->move);
}
