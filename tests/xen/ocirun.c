/* SPDX-License-Identifier: BSD-3-Clause */
/* An engine's part in the life of a container: any OCI runtime, its process reparented to us. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * ocirun [-t] RUNTIME BUNDLE ID: create, start, wait for the container's process, delete. Its exit
 * status is the container's; 120: a step failed. Standard input and output are the container's,
 * with -t over a terminal that the runtime makes.
 */
#define FAILED 120

extern char **environ;

static int run(const char *const argv[])
{
	int status = 0;
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, (char **)(uintptr_t)argv, environ) != 0) {
		perror(argv[0]);
		return FAILED;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 1) < 0) {
		perror(path);
		exit(FAILED);
	}
	return s;
}

/* The terminal's other end, as sent by the runtime. */
static int take_terminal(int listener)
{
	char name[64];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec v = {name, sizeof(name)};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	int s = accept(listener, NULL, NULL);
	struct cmsghdr *c;
	int fd = -1;

	if (s >= 0 && recvmsg(s, &m, 0) > 0 && (c = CMSG_FIRSTHDR(&m)) &&
	    c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (s >= 0)
		(void)close(s);
	if (fd < 0) {
		(void)fprintf(stderr, "ocirun: no terminal came\n");
		exit(FAILED);
	}
	return fd;
}

static void copy_terminal(int fd)
{
	char data[4096];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		if (write(1, data, (size_t)n) < 0)
			return;
}

static pid_t read_pid(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		(void)close(fd);
	return (pid_t)strtol(text, NULL, 10);
}

int main(int argc, char **argv)
{
	bool terminal = argc > 1 && strcmp(argv[1], "-t") == 0;
	char pid_file[64];
	char sock[64];
	const char *create[16];
	int listener = -1;
	int tty = -1;
	int status = 0;
	int n = 0;
	pid_t pid;

	argv += terminal;
	argc -= terminal;
	if (argc != 4) {
		(void)fprintf(stderr, "usage: ocirun [-t] RUNTIME BUNDLE ID\n");
		return FAILED;
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	(void)snprintf(pid_file, sizeof(pid_file), "/tmp/ocirun.%d.pid", (int)getpid());
	(void)snprintf(sock, sizeof(sock), "/tmp/ocirun.%d.sock", (int)getpid());
	create[n++] = argv[1];
	create[n++] = "create";
	create[n++] = "--bundle";
	create[n++] = argv[2];
	create[n++] = "--pid-file";
	create[n++] = pid_file;
	if (terminal) {
		listener = listen_at(sock);
		create[n++] = "--console-socket";
		create[n++] = sock;
	}
	create[n++] = argv[3];
	create[n] = NULL;
	if (run(create) != 0)
		return FAILED;
	pid = read_pid(pid_file);
	(void)unlink(pid_file);
	if (terminal) {
		tty = take_terminal(listener);
		(void)unlink(sock);
	}
	if (run((const char *const[]){argv[1], "start", argv[3], NULL}) != 0)
		return FAILED;
	if (tty >= 0)
		copy_terminal(tty);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (run((const char *const[]){argv[1], "delete", argv[3], NULL}) != 0)
		return FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
