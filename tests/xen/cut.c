/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream between two ends of a migration on which something happens at a chosen message. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * cut WHERE ACTION COMMAND...: passes on what comes from standard input to the command and back.
 * WHERE names messages ("go,ask"; offer, ready, filled, go, runs, no, ask, round): before one is
 * passed on the shell runs ACTION, with $SOURCE, the id of what has started cut, and $TARGET, that
 * of the command. "stream": before the first bytes of the VM are. If ACTION fails, all ends.
 */
static const char *const message[] = {"stream", "offer", "ready", "filled", "go",
				      "runs",	"no",	 "ask",	  "round"};
#define MESSAGES 9
#define HEAD	 16

static uint32_t where; /* bits of messages; the first: the stream */
static const char *action;
static bool ready, filled; /* have passed: what comes from the source between them is the VM */

static void act(void)
{
	char *line = NULL; /* what it starts must not hold the stream */

	if (asprintf(&line, "{ %s\n} </dev/null >&2", action) < 0 || system(line) != 0)
		_exit(1);
	free(line);
}

static void pass(int fd, const uint8_t *at, size_t left)
{
	while (left) {
		ssize_t n = write(fd, at, left);

		if (n < 0 && errno != EINTR)
			_exit(1);
		if (n > 0) {
			at += n;
			left -= (size_t)n;
		}
	}
}

static bool read_all(int fd, uint8_t *at, size_t left)
{
	while (left) {
		ssize_t n = read(fd, at, left);

		if (n <= 0 && !(n < 0 && errno == EINTR))
			return false;
		if (n > 0) {
			at += n;
			left -= (size_t)n;
		}
	}
	return true;
}

/* One whole message; false: that side is gone. */
static bool pass_message(int from, int to)
{
	uint8_t frame[HEAD + 4096];
	uint16_t type;
	uint32_t bytes;

	if (!read_all(from, frame, HEAD))
		return false;
	memcpy(&type, frame + 10, 2);
	memcpy(&bytes, frame + 12, 4);
	if (type == 0 || type >= MESSAGES || bytes > sizeof(frame) - HEAD ||
	    !read_all(from, frame + HEAD, bytes))
		return false;
	if (where >> type & 1)
		act();
	pass(to, frame, HEAD + bytes);
	ready = ready || type == 2;
	filled = filled || type == 3;
	return true;
}

static bool pass_stream(int from, int to)
{
	static uint8_t data[16384];
	ssize_t n = read(from, data, sizeof(data));

	if (n <= 0)
		return false;
	if (where & 1) {
		where &= ~1u;
		act();
	}
	pass(to, data, (size_t)n);
	return true;
}

static void start(char **argv, int to[2], int from[2])
{
	char text[16];
	pid_t pid;

	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		exit(1);
	(void)snprintf(text, sizeof(text), "%d", (int)getppid());
	(void)setenv("SOURCE", text, 1);
	pid = fork();
	if (pid == 0) {
		(void)dup2(to[0], 0);
		(void)dup2(from[1], 1);
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	(void)setenv("TARGET", text, 1);
	(void)close(to[0]);
	(void)close(from[1]);
}

int main(int argc, char **argv)
{
	int to[2], from[2];

	if (argc < 4) {
		fprintf(stderr, "usage: cut WHERE ACTION COMMAND...\n");
		return 2;
	}
	for (uint32_t i = 0; i < MESSAGES; i++)
		where |= strstr(argv[1], message[i]) ? 1u << i : 0;
	action = argv[2];
	(void)signal(SIGPIPE, SIG_IGN);
	start(argv + 3, to, from);
	for (;;) {
		struct pollfd p[2] = {{.fd = from[0], .events = POLLIN},
				      {.fd = 0, .events = POLLIN}};

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents && !pass_message(from[0], 1))
			return 1;
		if (p[1].revents &&
		    !(ready && !filled ? pass_stream(0, to[1]) : pass_message(0, to[1])))
			return 1;
	}
}
