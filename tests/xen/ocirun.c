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
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * ocirun [-t] RUNTIME BUNDLE ID: create, start, wait for the container's process, delete. Its exit
 * status is the container's; 120: a step failed. Standard input and output are the container's,
 * with -t over a terminal that the runtime makes.
 *
 * ocirun -x RUNTIME STEP... -- WORD...: the runtime with a terminal ("exec --detach ID COMMAND",
 * "create ID"), and what an engine does with its end, in order: size=ROWSxCOLUMNS; type=TEXT, and a
 * return; until=TEXT is there, all is printed; close; stay, until it is killed. Without that it
 * waits for the process at the end, and its exit status is that process's.
 *
 * ocirun -p STEP... -- COMMAND...: the same with a command on a terminal of its own.
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

/* --- -x --- */

static void until(int fd, const char *text)
{
	static char seen[65536];
	static size_t len;
	ssize_t n = 1;

	while (!memmem(seen, len, text, strlen(text)) && n > 0) {
		if (len == sizeof(seen))
			len = 0;
		n = read(fd, seen + len, sizeof(seen) - len);
		if (n > 0 && write(1, seen + len, (size_t)n) < 0)
			n = 0;
		len += n > 0 ? (size_t)n : 0;
	}
	if (n > 0)
		return;
	(void)fprintf(stderr, "ocirun: no \"%s\" came\n", text);
	exit(FAILED);
}

static void do_step(const char *step, int *fd)
{
	const char *value = strchr(step, '=');
	struct winsize w = {0};
	char *end = NULL;

	value = value ? value + 1 : "";
	if (strncmp(step, "size=", 5) == 0) {
		w.ws_row = (unsigned short)strtoul(value, &end, 10);
		w.ws_col = (unsigned short)strtoul(end + 1, NULL, 10);
		(void)ioctl(*fd, TIOCSWINSZ, &w);
	} else if (strncmp(step, "type=", 5) == 0) {
		(void)dprintf(*fd, "%s\r", value);
	} else if (strncmp(step, "until=", 6) == 0) {
		until(*fd, value);
	} else if (strcmp(step, "close") == 0) {
		(void)close(*fd);
		*fd = -1;
	} else {
		for (;;)
			(void)pause();
	}
}

/* In the child: the command's terminal. */
static __attribute__((noreturn)) void on_terminal(int master, char **command)
{
	char path[64] = "";
	int slave;

	(void)ptsname_r(master, path, sizeof(path));
	(void)setsid();
	slave = open(path, O_RDWR);
	(void)ioctl(slave, TIOCSCTTY, 0);
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(slave, fd);
	(void)execvp(command[0], command);
	_exit(FAILED);
}

/* What it still says when the steps are done is printed. */
static int command_on_terminal(char **argv)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char **steps = argv;
	int status = 0;
	pid_t pid;

	while (*argv && strcmp(*argv, "--") != 0)
		argv++;
	if (!argv[0] || !argv[1] || master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return FAILED;
	*argv++ = NULL;
	for (; *steps && strncmp(*steps, "size=", 5) == 0; steps++)
		do_step(*steps, &master);
	pid = fork();
	if (pid == 0)
		on_terminal(master, argv);
	for (; pid > 0 && *steps; steps++)
		do_step(*steps, &master);
	if (master >= 0)
		copy_terminal(master);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int with_terminal(char **argv)
{
	const char *words[32];
	char pid_file[64];
	char sock[64];
	char **steps = argv + 1;
	int n = 0;
	int tty;
	int status = 0;
	pid_t pid;
	int listener;

	(void)snprintf(pid_file, sizeof(pid_file), "/tmp/ocirun.%d.pid", (int)getpid());
	(void)snprintf(sock, sizeof(sock), "/tmp/ocirun.%d.sock", (int)getpid());
	listener = listen_at(sock);
	words[n++] = argv[0];
	while (*argv && strcmp(*argv, "--") != 0)
		argv++;
	if (!argv[0] || !argv[1])
		return FAILED;
	*argv++ = NULL;
	words[n++] = *argv++;
	for (const char *const *w =
		     (const char *[]){"--console-socket", sock, "--pid-file", pid_file, NULL};
	     *w; w++)
		words[n++] = *w;
	while (*argv && n < 31)
		words[n++] = *argv++;
	words[n] = NULL;
	status = run(words);
	(void)unlink(sock);
	if (status != 0)
		return status;
	pid = read_pid(pid_file);
	(void)unlink(pid_file);
	tty = take_terminal(listener);
	for (; *steps; steps++)
		do_step(*steps, &tty);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
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

	if (argc > 3 && strcmp(argv[1], "-x") == 0) {
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
		return with_terminal(argv + 2);
	}
	if (argc > 3 && strcmp(argv[1], "-p") == 0)
		return command_on_terminal(argv + 2);
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
