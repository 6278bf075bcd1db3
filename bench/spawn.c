/* SPDX-License-Identifier: BSD-3-Clause */
/* Timed processes, and the yardstick: fork+exec of a static program. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"

void die(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("chaos-bench: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(1);
}

/* As a shell does: looks a command up once, not at each start. */
static const char *path_of(const char *name)
{
	static char known[4][2][128];
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return name;
	for (size_t i = 0; i < 4; i++) {
		if (strcmp(known[i][0], name) == 0)
			return known[i][1];
		if (known[i][0][0])
			continue;
		while (path && *path) {
			size_t n = strcspn(path, ":");

			(void)snprintf(known[i][1], sizeof(known[i][1]), "%.*s/%s", (int)n, path,
				       name);
			if (access(known[i][1], X_OK) == 0) {
				(void)snprintf(known[i][0], sizeof(known[i][0]), "%s", name);
				return known[i][1];
			}
			path += n + (path[n] == ':');
		}
		break;
	}
	return name;
}

uint64_t spawn_timed(const char *const *argv)
{
	static int quiet = -1;
	static posix_spawn_file_actions_t to_null;
	uint64_t start;
	uint64_t took;
	int status = 0;
	const char *program = path_of(argv[0]);
	pid_t pid;
	int rc;

	if (quiet < 0) {
		quiet = getenv("CHAOS_BENCH_VERBOSE") == NULL;
		if (posix_spawn_file_actions_init(&to_null) != 0)
			die("out of memory");
		if (quiet &&
		    (posix_spawn_file_actions_addopen(&to_null, 1, "/dev/null", O_WRONLY, 0) ||
		     posix_spawn_file_actions_adddup2(&to_null, 1, 2)))
			die("out of memory");
	}
	start = clock_ns();
	/* posix_spawn is the cheapest fork+exec that libc has, so the yardstick is not too long. */
	rc = posix_spawn(&pid, program, &to_null, NULL, (char *const *)(uintptr_t)argv, environ);
	if (rc != 0)
		die("%s: %s", argv[0], strerror(rc));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
	took = clock_ns() - start;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		die("%s %s %s: failed with wait status 0x%x (CHAOS_BENCH_VERBOSE=1 shows why)",
		    argv[0], argv[1] ? argv[1] : "", argv[1] && argv[2] ? argv[2] : "",
		    (unsigned int)status);
	return took;
}

void bench_fork(unsigned int n)
{
	static struct samples s;
	const char *const argv[] = {CHAOS_BENCH_TRUE, NULL};

	(void)spawn_timed(argv);
	for (unsigned int i = 0; i < n; i++)
		samples_add(&s, spawn_timed(argv));
	samples_print(&s, "fork", "fork_exec");
}
