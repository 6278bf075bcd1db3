/* SPDX-License-Identifier: BSD-3-Clause */
/* Hooks: programs of the engine, run in the runtime's namespaces. */
#include "oci/hooks.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_S 60

/* The texts of a list, NULL behind them; `first` when there are none. */
static char **texts(const json_t *list, const char *first)
{
	size_t n = json_array_size(list);
	char **all = calloc(n + 2, sizeof(*all));

	if (!all)
		return NULL;
	for (size_t i = 0; i < n; i++)
		all[i] = (char *)(uintptr_t)json_string_value(json_array_get(list, i));
	if (n == 0 && first)
		all[0] = (char *)(uintptr_t)first;
	return all;
}

/* A file that has the state, to be read from its begin: a hook that does not read delays nothing.
 */
static int state_file(const struct container *c, enum oci_status s, struct err *e)
{
	json_t *j = container_json(c, s);
	int fd = j ? memfd_create("state", MFD_CLOEXEC) : -1;
	int rc = 0;

	if (!j)
		return err_set(e, ENOMEM, "out of memory");
	if (fd < 0 || json_dumpfd(j, fd, JSON_COMPACT) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		rc = err_sys(e, errno, "write the state for a hook");
	json_decref(j);
	if (rc < 0 && fd >= 0)
		(void)close(fd);
	return rc < 0 ? rc : fd;
}

static int start(const json_t *hook, int state, const char *bundle, pid_t *pid)
{
	const char *path = json_string_value(json_object_get(hook, "path"));
	char **argv = texts(json_object_get(hook, "args"), path);
	char **envp = texts(json_object_get(hook, "env"), NULL);
	posix_spawn_file_actions_t files;
	int rc = argv && envp ? posix_spawn_file_actions_init(&files) : ENOMEM;

	if (rc == 0) {
		rc = posix_spawn_file_actions_adddup2(&files, state, 0);
		if (rc == 0)
			rc = posix_spawn_file_actions_addchdir_np(&files, bundle);
		if (rc == 0)
			rc = posix_spawn(pid, path, &files, NULL, argv, envp);
		(void)posix_spawn_file_actions_destroy(&files);
	}
	free(argv);
	free(envp);
	return -rc;
}

/* Waits for its end. The exit status; -ETIMEDOUT: it was killed. */
static int finish(pid_t pid, int ms)
{
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	int late = p.fd >= 0 && poll(&p, 1, ms) == 0;
	int status = 0;

	if (late)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (p.fd >= 0)
		(void)close(p.fd);
	if (late)
		return -ETIMEDOUT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_one(const json_t *hook, const struct bundle *b, const struct container *c,
		   const char *kind, enum oci_status s, struct err *e)
{
	const char *path = json_string_value(json_object_get(hook, "path"));
	json_int_t seconds = json_integer_value(json_object_get(hook, "timeout"));
	int state = state_file(c, s, e);
	pid_t pid = 0;
	int rc;

	if (seconds <= 0 || seconds > 3600)
		seconds = TIMEOUT_S;
	if (state < 0)
		return state;
	rc = start(hook, state, b->path, &pid);
	(void)close(state);
	if (rc < 0)
		return err_sys(e, -rc, "%s hook %s", kind, path);
	rc = finish(pid, (int)seconds * 1000);
	if (rc == -ETIMEDOUT)
		return err_set(e, ETIMEDOUT, "%s hook %s did not end within %d s", kind, path,
			       (int)seconds);
	return rc == 0 ? 0
		       : err_set(e, ECANCELED, "%s hook %s ended with status %d", kind, path, rc);
}

int hooks_run(const struct bundle *b, const struct container *c, const char *kind,
	      enum oci_status s, struct err *e)
{
	const json_t *list = json_object_get(bundle_get(b, "hooks"), kind);
	const json_t *hook;
	size_t i;

	json_array_foreach(list, i, hook)
	{
		int rc = run_one(hook, b, c, kind, s, e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static const struct {
	const char *kind;
	enum oci_status status;
} first[] = {{"prestart", OCI_CREATED},
	     {"createRuntime", OCI_CREATING},
	     {"createContainer", OCI_CREATING}};

int hooks_run_first(const struct bundle *b, const struct container *c, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(first) / sizeof(first[0]); i++)
		rc = hooks_run(b, c, first[i].kind, first[i].status, e);
	return rc;
}

bool hooks_has_first(const struct bundle *b)
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		n += json_array_size(json_object_get(bundle_get(b, "hooks"), first[i].kind));
	return n > 0;
}
