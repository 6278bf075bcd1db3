/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds what holds the channel of a VM's agent, or starts it. */
#include "chaos/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unix.h"
#include "join/join.h"

#define TAKEN_MS 10000
#define TIMES	 20 /* for programs that end while the request is sent */
#define AGAIN_MS 10 /* once, twice, ... this between them */

extern char **environ;

/* --- the VM --- */

static int find(const char *what, struct chaos_vm *v, struct err *e)
{
	struct client c = {.fd = -1};
	struct wire_in in;
	int rc = client_open(&c, NULL, e);

	if (rc == 0)
		rc = ask(&c, PROTO_REQ_INFO, what, 0, e);
	if (rc == 0)
		rc = client_finish(&c, &in, NULL, NULL, e);
	if (rc == 0 && !decode_vm(&in, v))
		rc = err_set(e, EPROTO, "chaosd sent no information about \"%s\"", what);
	client_close(&c);
	if (rc == 0 && strcmp(v->state, "running") != 0)
		rc = err_set(e, EINVAL, "\"%s\" does not run: it is %s", v->name, v->state);
	return rc;
}

/* --- what holds its channel --- */

/* Its first line on standard error, without the program's name; "": it holds the channel. */
static void read_start(int fd, char *text, size_t room)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, room - 1 - len)) > 0 || (n < 0 && errno == EINTR))
		len += n > 0 ? (size_t)n : 0;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, "chaos-oci: ", 11) == 0)
		memmove(text, text + 11, strlen(text + 11) + 1);
}

static int start_holder(const struct chaos_vm *v, struct err *e)
{
	const char *const argv[] = {"chaos-oci", "hold", v->uuid, NULL};
	posix_spawn_file_actions_t files;
	char text[ERR_MSG_MAX];
	int pair[2];
	pid_t pid;
	int rc;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe to chaos-oci");
	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
	(void)posix_spawn_file_actions_adddup2(&files, 0, 1);
	(void)posix_spawn_file_actions_adddup2(&files, pair[1], 2);
	rc = posix_spawnp(&pid, argv[0], &files, NULL, (char **)(uintptr_t)argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)close(pair[1]);
	if (rc == 0)
		read_start(pair[0], text, sizeof(text));
	(void)close(pair[0]);
	if (rc != 0)
		return err_sys(e, rc, "start chaos-oci, which holds the channel of a VM's agent");
	return text[0] ? err_set(e, EIO, "\"%s\": %s", v->name, text) : 0;
}

static int connect_holder(const struct chaos_vm *v, struct err *e)
{
	char path[JOIN_PATH];
	int fd;
	int rc;

	join_path(v->uuid, path);
	fd = unix_connect(path, SOCK_SEQPACKET, 0);
	if (fd != -ENOENT && fd != -ECONNREFUSED)
		return fd >= 0 ? fd : err_sys(e, -fd, "\"%s\": connect to %s", v->name, path);
	rc = start_holder(v, e);
	return rc < 0 ? rc : unix_connect(path, SOCK_SEQPACKET, 0);
}

/* -EAGAIN: it ended before it accepted the request. */
static int hand_over(const struct chaos_vm *v, const int files[CONTROL_FILES], struct err *e)
{
	struct control_request rq = {.op = CONTROL_RUN};
	struct control_answer a = {0};
	int fd = connect_holder(v, e);
	int rc;

	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return -EAGAIN;
	if (fd < 0)
		return fd;
	rc = unix_send(fd, &rq, sizeof(rq), files, CONTROL_FILES, 0);
	if (rc == 0)
		rc = join_hear(fd, TAKEN_MS, &a);
	if (rc == 0 && a.rc == 0)
		return fd;
	(void)close(fd);
	if (rc == -EPIPE || rc == -ECONNRESET)
		return -EAGAIN;
	return rc < 0 ? err_sys(e, -rc,
				"\"%s\": the program that holds its agent's channel does not "
				"answer",
				v->name)
		      : err_set(e, -a.rc, "\"%s\": %s", v->name, a.message);
}

static int into_file(const json_t *words, struct err *e)
{
	int fd = memfd_create("words", MFD_CLOEXEC);

	if (fd >= 0 && json_dumpfd(words, fd, JSON_COMPACT) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return err_sys(e, errno, "make a file in memory for the request");
}

int agent_start(const char *vm, const json_t *words, const int files[3], int timeout_ms,
		struct err *e)
{
	int all[CONTROL_FILES] = {-1, files[0], files[1], files[2]};
	struct control_answer a;
	struct chaos_vm v;
	int fd = -EAGAIN;
	int rc = find(vm, &v, e);

	/* those are of the command alone, whatever went wrong before */
	if (rc < 0)
		return rc == -ENOENT || rc == -ENOEXEC ? -ESRCH : rc;
	all[0] = into_file(words, e);
	if (all[0] < 0)
		return all[0];
	for (int i = 0; i < TIMES && fd == -EAGAIN; i++) {
		(void)poll(NULL, 0, i * AGAIN_MS); /* one that was killed may still be ending */
		fd = hand_over(&v, all, e);
	}
	(void)close(all[0]);
	if (fd == -EAGAIN)
		return err_set(e, EBUSY,
			       "\"%s\": the program that holds its agent's channel ended %d times: "
			       "try again",
			       v.name, TIMES);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOEXEC ? -EIO : fd;
	rc = join_hear(fd, timeout_ms, &a);
	if (rc == 0 && a.rc == 0)
		return fd;
	(void)close(fd);
	if (rc == -ETIMEDOUT)
		return err_set(e, ETIMEDOUT,
			       "\"%s\": its agent does not answer: does one run in the VM?",
			       v.name);
	return rc < 0 ? err_set(e, EPIPE,
				"\"%s\": the program that holds its agent's channel has ended: try "
				"again",
				v.name)
		      : err_set(e, -a.rc, "\"%s\": %s", v.name, a.message);
}

int agent_exit_code(int rc)
{
	return rc == -ENOENT ? EXIT_NOT_FOUND : rc == -ENOEXEC ? EXIT_NOT_RUN : EXIT_OWN;
}

int agent_wait(int connection, struct err *e)
{
	struct control_answer a;
	int rc = join_hear(connection, -1, &a);

	if (rc == -EINTR)
		return rc;
	if (rc < 0)
		return err_set(e, ECONNRESET,
			       "the program that holds the agent's channel has ended, and the "
			       "command with it");
	return a.rc < 0 ? err_set(e, -a.rc, "%s", a.message) : a.rc & 255;
}

int agent_read_timeout(const char *text)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 10);

	return *text < '0' || *text > '9' || *end || n == 0 || n > 86400 ? -EINVAL
									 : (int)(n * 1000);
}
