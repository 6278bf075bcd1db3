/* SPDX-License-Identifier: BSD-3-Clause */
#include "chaos/target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DRAIN_MS                                                                                   \
	10 /* interval for checking a pipe, because the writer is not notified when it becomes     \
	      empty */

/* --- signals --- */

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
#define ENDING (sizeof(ending) / sizeof(ending[0]))

static const char *temp_to_remove; /* of a signal */

static void on_signal(int sig)
{
	(void)unlink(temp_to_remove);
	_exit(128 + sig);
}

/* NULL: signals end the process as usual. The name of the temporary file stays here until then. */
static void remove_at_signals(const char *temp)
{
	struct sigaction sa = {.sa_handler = temp ? on_signal : SIG_DFL};

	if (temp)
		temp_to_remove = temp;
	for (size_t i = 0; i < ENDING; i++)
		(void)sigaction(ending[i], &sa, NULL);
}

/* Blocks signals until release_signals(): a file and its name must change together. */
static void hold_signals(sigset_t *old)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ENDING; i++)
		(void)sigaddset(&set, ending[i]);
	(void)sigprocmask(SIG_BLOCK, &set, old);
}

static void release_signals(const sigset_t *old)
{
	(void)sigprocmask(SIG_SETMASK, old, NULL);
}

/* --- opening --- */

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? strdup("/")
	       : slash	     ? strndup(path, (size_t)(slash - path))
			     : strdup(".");
}

static int open_temp(struct target *t, struct err *e)
{
	sigset_t old;
	int rc = 0;

	if (asprintf(&t->temp, "%s.XXXXXX", t->path) < 0) {
		t->temp = NULL;
		return err_set(e, ENOMEM, "out of memory");
	}
	hold_signals(&old);
	t->fd = mkostemp(t->temp, O_CLOEXEC); /* mode 0600 */
	if (t->fd < 0) {
		rc = err_sys(e, errno, "make a file beside %s", t->path);
		free(t->temp);
		t->temp = NULL;
	} else {
		remove_at_signals(t->temp);
	}
	release_signals(&old);
	return rc;
}

/* A file without a name is removed with its last user, whatever happens. If the file system does
 * not support that, the file has a temporary name until it is complete. */
static int open_nameless(struct target *t, struct err *e)
{
	char *dir = directory_of(t->path);

	if (!dir)
		return err_set(e, ENOMEM, "out of memory");
	t->fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	free(dir);
	if (t->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
		return err_sys(e, errno, "make the file %s", t->path);
	return open_temp(t, e);
}

int target_open(struct target *t, const char *path, struct err *e)
{
	struct stat st;

	*t = (struct target){.fd = -1};
	if (strcmp(path, "-") == 0) {
		if (isatty(STDOUT_FILENO))
			return err_set(e, EINVAL,
				       "standard output is a terminal: give a file or a pipe");
		t->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		return t->fd < 0 ? err_sys(e, errno, "copy the descriptor of standard output") : 0;
	}
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		t->fd = open(path, O_WRONLY | O_CLOEXEC);
		return t->fd < 0 ? err_sys(e, errno, "open %s", path) : 0;
	}
	t->path = realpath(
		path, NULL); /* replaces the file that a symbolic link leads to, not the link */
	if (!t->path)
		t->path = strdup(path);
	return t->path ? open_nameless(t, e) : err_set(e, ENOMEM, "out of memory");
}

/* --- the end of it --- */

/* A nameless file cannot replace an existing name: it first gets a temporary name in the same
 * folder. */
static int name_nameless(const struct target *t)
{
	char proc[64];
	char *beside;
	int rc = 0;

	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", t->fd);
	if (linkat(AT_FDCWD, proc, AT_FDCWD, t->path, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (asprintf(&beside, "%s.%d", t->path, (int)getpid()) < 0)
		return -ENOMEM;
	if (linkat(AT_FDCWD, proc, AT_FDCWD, beside, AT_SYMLINK_FOLLOW) < 0) {
		rc = -errno;
	} else if (rename(beside, t->path) < 0) {
		rc = -errno;
		(void)unlink(beside);
	}
	free(beside);
	return rc;
}

static int name_it(struct target *t)
{
	sigset_t old;
	int rc = 0;

	hold_signals(&old);
	if (!t->temp)
		rc = name_nameless(t);
	else if (rename(t->temp, t->path) < 0)
		rc = -errno;
	if (rc == 0) { /* nothing must be removed any more */
		remove_at_signals(NULL);
		free(t->temp);
		t->temp = NULL;
	}
	release_signals(&old);
	return rc;
}

/* Syncs the name, too. */
static int sync_name(const struct target *t)
{
	char *dir = directory_of(t->path);
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int rc = 0;

	free(dir);
	if (fd < 0) /* a directory that may be written to, and not read */
		return syncfs(t->fd) < 0 ? -errno : 0;
	if (fsync(fd) < 0 && errno != EINVAL) /* which some file systems say of all directories */
		rc = -errno;
	(void)close(fd);
	return rc;
}

int target_finish(struct target *t, struct err *e)
{
	struct stat st;
	int rc;

	if (fstat(t->fd, &st) < 0 ||
	    ((S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) && fdatasync(t->fd) < 0))
		return err_sys(e, errno, "write %s", t->path ? t->path : "the saved VM");
	if (!t->path)
		return 0;
	rc = name_it(t);
	if (rc == 0)
		rc = sync_name(t);
	return rc < 0 ? err_sys(e, -rc, "name the file %s", t->path) : 0;
}

int target_drain(const struct target *t, int until, struct err *e)
{
	struct stat st;

	if (fstat(t->fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		return 0;
	for (int wait = 0;; wait = DRAIN_MS) {
		struct pollfd p[2] = {{.fd = t->fd}, {.fd = until, .events = POLLIN}};
		int left = 0;

		(void)poll(p, 2, wait);
		if (ioctl(t->fd, FIONREAD, &left) < 0 || left == 0 || p[1].revents)
			return 0;
		if (p[0].revents & POLLERR)
			return err_set(e, EPIPE, "the reader of the pipe ended before it had all");
	}
}

void target_close(struct target *t)
{
	if (t->temp)
		(void)unlink(t->temp);
	remove_at_signals(NULL);
	if (t->fd >= 0)
		(void)close(t->fd);
	free(t->temp);
	free(t->path);
	*t = (struct target){.fd = -1};
}
