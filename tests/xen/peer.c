/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands on the other host of a pair (testbed/xenbed pair): its end, and what asks it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * There: four bytes, so many bytes of a shell's command, then its standard input until that ends.
 * Back: pieces of output, each behind its length in four bytes; a length of 0, and the exit status
 * in four bytes. Both hosts are of one kind. Standard error is the server's.
 */
#define PORT	 7070
#define CHUNK	 16384
#define WAIT_TRY 600 /* tenths of a second that the server may take to start */

static bool read_all(int fd, void *buf, size_t len)
{
	for (uint8_t *p = buf; len;) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool write_all(int fd, const void *buf, size_t len)
{
	for (const uint8_t *p = buf; len;) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* --- the server --- */

static pid_t start(const char *command, int *in, int *out)
{
	int to[2], from[2];
	pid_t pid;

	if (pipe(to) < 0 || pipe(from) < 0)
		exit(1);
	pid = fork();
	if (pid == 0) {
		(void)setsid();
		(void)signal(SIGPIPE, SIG_DFL);
		(void)dup2(to[0], 0);
		(void)dup2(from[1], 1);
		for (int fd = 3; fd < 64; fd++)
			(void)close(fd);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	*in = to[1];
	*out = from[0];
	return pid;
}

static void serve_one(int s)
{
	static uint8_t frame[4 + CHUNK];
	static char command[CHUNK];
	uint32_t n;
	int in, out, status;
	pid_t pid;

	if (!read_all(s, &n, 4) || n >= CHUNK || !read_all(s, command, n))
		exit(1);
	command[n] = '\0';
	pid = start(command, &in, &out);
	for (;;) {
		struct pollfd p[2] = {{.fd = out, .events = POLLIN},
				      {.fd = in < 0 ? -1 : s, .events = POLLIN}};
		ssize_t got;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents) {
			got = read(out, frame + 4, CHUNK);
			if (got <= 0)
				break;
			n = (uint32_t)got;
			memcpy(frame, &n, 4);
			if (!write_all(s, frame, 4 + n))
				exit(1);
		}
		if (p[1].revents) {
			got = read(s, command, sizeof(command));
			if (got <= 0 || !write_all(in, command, (size_t)got)) {
				(void)close(in);
				in = -1;
			}
		}
	}
	(void)waitpid(pid, &status, 0);
	n = 0;
	memcpy(frame, &n, 4);
	n = WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 128u + (uint32_t)WTERMSIG(status);
	memcpy(frame + 4, &n, 4);
	(void)write_all(s, frame, 8);
	exit(0);
}

static int serve(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int yes = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0) {
		perror("peer");
		exit(1);
	}
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int s = accept(fd, NULL, NULL);

		if (s < 0)
			continue;
		(void)setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		if (fork() == 0) {
			(void)signal(SIGCHLD, SIG_DFL);
			serve_one(s);
		}
		(void)close(s);
	}
}

/* --- the client --- */

static int dial(const char *host)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	const int yes = 1;

	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		return -1;
	for (int i = 0; i < WAIT_TRY; i++) {
		int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(s, (struct sockaddr *)&a, sizeof(a)) == 0) {
			(void)setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
			return s;
		}
		(void)close(s);
		(void)poll(NULL, 0, 100);
	}
	return -1;
}

/* 255: the connection broke. */
static int answer(int s, bool *over)
{
	static uint8_t data[CHUNK];
	uint32_t n;

	*over = true;
	if (!read_all(s, &n, 4) || n > CHUNK)
		return 255;
	if (n == 0)
		return read_all(s, &n, 4) ? (int)n : 255;
	*over = false;
	if (!read_all(s, data, n) || !write_all(STDOUT_FILENO, data, n))
		*over = true;
	return 255;
}

static int run(const char *command)
{
	const char *host = getenv("PEER");
	int s = host ? dial(host) : -1;
	uint32_t n = (uint32_t)strlen(command);
	bool input = true, over = false;
	uint8_t data[CHUNK];
	int status = 255;

	if (s < 0 || !write_all(s, &n, 4) || !write_all(s, command, n)) {
		fprintf(stderr, "peer: %s does not answer\n", host ? host : "$PEER");
		return 255;
	}
	while (!over) {
		struct pollfd p[2] = {{.fd = s, .events = POLLIN},
				      {.fd = input ? 0 : -1, .events = POLLIN}};
		ssize_t got;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents)
			status = answer(s, &over);
		if (p[1].revents) {
			got = read(STDIN_FILENO, data, sizeof(data));
			if (got <= 0 || !write_all(s, data, (size_t)got)) {
				input = false;
				(void)shutdown(s, SHUT_WR);
			}
		}
	}
	return status;
}

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		return serve();
	if (argc == 3 && strcmp(argv[1], "run") == 0)
		return run(argv[2]);
	fprintf(stderr, "usage: peer serve | peer run COMMAND   (on the host $PEER)\n");
	return 2;
}
