/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs mkfs.erofs on a root. That program and this one only read names, attributes and data of it;
 * dom0's kernel never mounts what comes of it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/image.h"

#define PROGRAM "mkfs.erofs"
#define FAILED	126 /* exit status: what is said is the reason */
#define ABSENT	127

static __attribute__((noreturn)) void fail(const char *what)
{
	(void)dprintf(2, "%s: %s\n", what, strerror(errno));
	_exit(FAILED);
}

/* The layers alone, without what lies over them: at the root's place, in this mount namespace. */
static void mount_layers(const struct layers *l, const char *rootfs)
{
	char *options = NULL;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		fail("mount namespace");
	if (!strchr(l->below, ':')) { /* overlayfs takes two or more */
		if (mount(l->below, rootfs, NULL, MS_BIND, NULL) < 0)
			fail("bind the layer");
		return;
	}
	if (asprintf(&options, "lowerdir=%s%s", l->below, l->metacopy ? ",metacopy=on" : "") < 0)
		fail("overlay");
	if (mount("overlay", rootfs, "overlay", MS_RDONLY, options) < 0)
		fail("mount the layers");
	free(options);
}

static __attribute__((noreturn)) void child_main(const struct layers *l, const char *rootfs,
						 const char *path, int keep, uint64_t bytes,
						 int said, pid_t parent)
{
	char *argv[] = {(char *)(uintptr_t)PROGRAM, (char *)(uintptr_t) "--quiet",
			(char *)(uintptr_t)path, (char *)(uintptr_t)rootfs, NULL};
	char *env[] = {NULL};
	struct rlimit most = {.rlim_cur = bytes, .rlim_max = bytes};
	static const char *const where[] = {"/usr/bin/", "/usr/sbin/", "/usr/local/bin/"};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (getppid() != parent)
		_exit(FAILED);
	(void)dup2(said, 2);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		fail("/dev/null");
	if (fcntl(keep, F_SETFD, 0) < 0 || setrlimit(RLIMIT_FSIZE, &most) < 0)
		fail("limits");
	if (l->below)
		mount_layers(l, rootfs);
	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		char program[64];

		(void)snprintf(program, sizeof(program), "%s" PROGRAM, where[i]);
		(void)execve(program, argv, env);
		if (errno != ENOENT)
			break;
	}
	_exit(errno == ENOENT ? ABSENT : FAILED);
}

/* The last line of it that is not empty; names in a root may have any bytes. */
static void read_reason(int fd, char *text, size_t room)
{
	char piece[512];
	bool ended = false;
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno != EINTR)
			break;
		for (ssize_t i = 0; i < n; i++) {
			char c = piece[i];

			ended |= c == '\n';
			if (c < ' ' || c > '~')
				continue;
			if (ended)
				len = 0;
			ended = false;
			if (len + 1 < room)
				text[len++] = c;
		}
	}
	text[len] = '\0';
}

int image_make(const struct layers *l, const char *rootfs, const char *path, int keep,
	       uint64_t bytes, struct err *e)
{
	pid_t parent = getpid();
	char why[200] = "";
	int status = 0;
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	pid = fork();
	if (pid == 0)
		child_main(l, rootfs, path, keep, bytes, pair[1], parent);
	(void)close(pair[1]);
	if (pid > 0)
		read_reason(pair[0], why, sizeof(why));
	(void)close(pair[0]);
	if (pid < 0)
		return err_sys(e, errno, "fork");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == ABSENT)
		return err_set(e, ENOENT, "there is no " PROGRAM ": install erofs-utils");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
		return err_set(e, EFBIG, "it is larger than %ju MiB", (uintmax_t)bytes >> 20);
	if (WIFSIGNALED(status))
		return err_set(e, EIO, PROGRAM " was ended by signal %d", WTERMSIG(status));
	return err_set(e, EIO, PROGRAM " failed: %s", *why ? why : "without a reason");
}
