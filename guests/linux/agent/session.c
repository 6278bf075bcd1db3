/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes of sessions: started with pipes or a terminal. */
#include "guests/linux/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

struct session agent_session[LINK_SESSIONS];

struct ends {
	int in[2], out[2], err[2];
	int master, slave;
	int failed[2];
};

static void shut(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void close_ends(struct ends *e)
{
	for (int i = 0; i < 2; i++) {
		shut(&e->in[i]);
		shut(&e->out[i]);
		shut(&e->err[i]);
		shut(&e->failed[i]);
	}
	shut(&e->master);
	shut(&e->slave);
}

/* Without a container's root, terminals are the agent's; an initramfs has none before. */
static int open_master(const struct container *c)
{
	const char *path = c->set_up ? container_path(c, "root/dev/pts/ptmx") : "/dev/pts/ptmx";
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0 || c->set_up)
		return fd;
	(void)mkdir("/dev/pts", 0755);
	(void)mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666");
	return open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

static int open_terminal(const struct spec *s, struct ends *e)
{
	const char *size = s->terminal;
	struct winsize w = {0};
	char *end = NULL;
	int unlock = 0;

	w.ws_row = (unsigned short)strtoul(size, &end, 10);
	w.ws_col = (unsigned short)strtoul(end, NULL, 10);
	e->master = open_master(spec_container(s));
	if (e->master < 0 || ioctl(e->master, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	e->slave = ioctl(e->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (e->slave < 0)
		return -errno;
	(void)ioctl(e->master, TIOCSWINSZ, &w);
	return 0;
}

static int open_ends(const struct spec *s, struct ends *e)
{
	int rc = pipe2(e->failed, O_CLOEXEC) < 0 ? -errno : 0;

	if (rc == 0 && s->terminal)
		return open_terminal(s, e);
	if (rc == 0 && (pipe2(e->in, O_CLOEXEC) < 0 || pipe2(e->out, O_CLOEXEC) < 0 ||
			pipe2(e->err, O_CLOEXEC) < 0))
		rc = -errno;
	return rc;
}

static __attribute__((noreturn)) void child(struct spec *s, struct ends *e, bool first)
{
	extern char **environ;
	static char *none[] = {NULL};
	sigset_t empty;
	const char *step;
	uint32_t why;

	(void)sigemptyset(&empty);
	(void)sigprocmask(SIG_SETMASK, &empty, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)setsid();
	if (s->terminal)
		(void)ioctl(e->slave, TIOCSCTTY, 0);
	(void)dup2(s->terminal ? e->slave : e->in[0], 0);
	(void)dup2(s->terminal ? e->slave : e->out[1], 1);
	(void)dup2(s->terminal ? e->slave : e->err[1], 2);
	step = process_become(s, first);
	why = step ? ENOEXEC : 0;
	if (!step && s->copy)
		_exit(strcmp(s->copy, "names") == 0 ? names_serve() : copy_run(s));
	if (!step) {
		environ = s->env.text ? s->env.text : none;
		(void)execvp(s->arg.text[0], s->arg.text);
		why = (uint32_t)errno;
		step = say("exec \"%.300s\"", s->arg.text[0]);
	}
	if (errno)
		step = say("%s: %s", strcpy((char[400]){0}, step), strerror(errno));
	(void)!write(e->failed[1], &why, sizeof(why));
	(void)!write(e->failed[1], step, strlen(step));
	_exit(127);
}

/* The first process begins a PID namespace, which others join. */
static int enter_pids(const struct container *c, int *own)
{
	char path[48];
	int fd;
	int rc;

	if (!c->set_up)
		return 0;
	*own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (c->shares_pids)
		return 0;
	if (!c->begun)
		return unshare(CLONE_NEWPID) < 0 ? -errno : 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)c->first);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -ESRCH;
	rc = setns(fd, CLONE_NEWPID) < 0 ? -errno : 0;
	(void)close(fd);
	return rc;
}

static pid_t start(struct session *x, struct ends *e)
{
	const struct container *c = spec_container(&x->spec);
	int own = -1;
	int rc = enter_pids(c, &own);
	pid_t pid = -1;

	if (rc == 0) {
		pid = fork();
		if (pid == 0)
			child(&x->spec, e, c->set_up && !c->begun);
		rc = pid < 0 ? -errno : 0;
	}
	if (own >= 0) {
		(void)setns(own, CLONE_NEWPID);
		(void)close(own);
	}
	return rc < 0 ? rc : pid;
}

static void take_ends(struct session *x, struct ends *e)
{
	x->terminal = x->spec.terminal != NULL;
	x->in = x->terminal ? fcntl(e->master, F_DUPFD_CLOEXEC, 3) : e->in[1];
	x->out = x->terminal ? e->master : e->out[0];
	x->err = x->terminal ? -1 : e->err[0];
	e->master = e->in[1] = e->out[0] = e->err[0] = -1;
	(void)fcntl(x->in, F_SETFL, O_NONBLOCK);
	(void)fcntl(x->out, F_SETFL, O_NONBLOCK);
	if (x->err >= 0)
		(void)fcntl(x->err, F_SETFL, O_NONBLOCK);
}

static void fail(uint8_t number, const char *text)
{
	size_t len = strlen(text);

	(void)link_send(&agent_link, LINK_FAILED, number, text,
			len > LINK_MESSAGE / 2 ? LINK_MESSAGE / 2 : len);
	session_drop(number);
}

static ssize_t read_all(int fd, char *to, size_t room)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, to + len, room - len)) > 0)
		len += (size_t)n;
	return (ssize_t)len;
}

void session_run(uint8_t number)
{
	struct session *x = &agent_session[number];
	struct ends e = {{-1, -1}, {-1, -1}, {-1, -1}, -1, -1, {-1, -1}};
	char why[512];
	ssize_t n = 0;
	int rc;
	pid_t pid;

	if (x->spec.in && !x->spec.in->set_up) { /* it was removed, and named again */
		fail(number, "the container is not in this VM any more");
		return;
	}
	rc = x->spec.arg.n && !x->spec.lost ? open_ends(&x->spec, &e) : -EINVAL;
	x->input = malloc(RING_STREAM);
	if (!x->input)
		rc = -ENOMEM;
	pid = rc < 0 ? rc : start(x, &e);
	if (pid < 0) {
		close_ends(&e);
		fail(number, say("the process cannot be started: %s", strerror(-pid)));
		return;
	}
	shut(&e.failed[1]);
	n = read_all(e.failed[0], why, sizeof(why) - 1);
	if (n > 4) {
		why[n] = '\0';
		close_ends(&e);
		(void)link_send(&agent_link, LINK_WHY, number, why, 4);
		fail(number, why + 4);
		return;
	}
	x->pid = pid;
	x->running = true;
	container_has(spec_container(&x->spec), pid);
	x->out_room = x->err_room = LINK_STREAM;
	x->in_owed = agent_link.ring ? RING_STREAM - LINK_STREAM : 0;
	take_ends(x, &e);
	close_ends(&e);
	spec_clear(&x->spec);
	(void)link_send(&agent_link, LINK_DONE, number, NULL, 0);
}

uint8_t *session_keep_input(struct session *x, size_t len)
{
	uint8_t *to;

	if (!x->running || x->in < 0 || x->in_end || len > RING_STREAM - x->input_len)
		return NULL;
	if (len > RING_STREAM - x->input_at - x->input_len) {
		memmove(x->input, x->input + x->input_at, x->input_len);
		x->input_at = 0;
	}
	to = x->input + x->input_at + x->input_len;
	x->input_len += (uint32_t)len;
	return to;
}

void session_drop(uint8_t number)
{
	struct session *x = &agent_session[number];

	if (x->running && !x->exited)
		(void)kill(x->pid, SIGKILL);
	shut(&x->in);
	shut(&x->out);
	shut(&x->err);
	free(x->input);
	spec_clear(&x->spec);
	*x = (struct session){.in = -1, .out = -1, .err = -1};
}
