/* SPDX-License-Identifier: BSD-3-Clause */
/* The file of a save: whole under its name or not there, whatever comes between. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos/target.h"

static char dir[] = "/tmp/target.XXXXXX";

/* What the calls of target.c meet. */
static bool no_nameless; /* the file system has no files without a name */
static bool interrupted; /* SIGTERM comes as soon as it gets a name beside the old one */
static int synced, synced_dirs;

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode)
{
	if (no_nameless && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_open64(path, flags, mode);
}

int __real_linkat(int from, const char *a, int to, const char *b, int flags);
int __wrap_linkat(int from, const char *a, int to, const char *b, int flags);
int __wrap_linkat(int from, const char *a, int to, const char *b, int flags)
{
	int rc = __real_linkat(from, a, to, b, flags);

	if (interrupted && rc == 0)
		(void)raise(SIGTERM);
	return rc;
}

int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	(void)fd;
	synced++;
	return 0;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	synced_dirs += S_ISDIR(st.st_mode);
	return 0;
}

static int entries(void)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static const char *file(void)
{
	static char path[64];

	(void)snprintf(path, sizeof(path), "%s/saved", dir);
	return path;
}

static void put(struct target *t, const char *text)
{
	assert_int_equal(write(t->fd, text, strlen(text)), strlen(text));
}

static void holds(const char *text)
{
	char got[64] = {0};
	int fd = open(file(), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	(void)close(fd);
	assert_string_equal(got, text);
	assert_int_equal(entries(), 1);
}

/* Made, replaced, given up, with and without files that have no name. */
static void whole_or_not_there(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct target t;
		struct stat st;

		no_nameless = i == 1;
		synced = synced_dirs = 0;
		assert_int_equal(target_open(&t, file(), NULL), 0);
		put(&t, "one");
		target_close(&t);
		assert_int_equal(entries(), 0);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(target_open(&t, file(), NULL), 0);
			put(&t, k ? "three" : "two");
			assert_int_equal(target_finish(&t, NULL), 0);
			target_close(&t);
			holds(k ? "three" : "two");
		}
		assert_int_equal(synced, 2);
		assert_int_equal(synced_dirs, 2);
		assert_int_equal(stat(file(), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		assert_int_equal(target_open(&t, file(), NULL), 0);
		put(&t, "four");
		target_close(&t);
		holds("three");
		assert_int_equal(unlink(file()), 0);
	}
	no_nameless = false;
}

/* In a process of its own: 0, or the signal that ended it. */
static int in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void be_interrupted(void)
{
	struct target t;

	interrupted = true;
	if (target_open(&t, file(), NULL) == 0 && write(t.fd, "new", 3) == 3)
		(void)target_finish(&t, NULL);
}

static void be_interrupted_before(void)
{
	struct target t;

	if (target_open(&t, file(), NULL) == 0 && write(t.fd, "new", 3) == 3)
		(void)raise(SIGTERM);
}

static void be_interrupted_after(void)
{
	struct target t;

	if (target_open(&t, file(), NULL) == 0 && write(t.fd, "new", 3) == 3 &&
	    target_finish(&t, NULL) == 0)
		(void)raise(SIGTERM);
}

static void signals_leave_one_file(void **state)
{
	struct target t;

	(void)state;
	for (int i = 0; i < 2; i++) {
		no_nameless = i == 1;
		assert_int_equal(target_open(&t, file(), NULL), 0);
		put(&t, "old");
		assert_int_equal(target_finish(&t, NULL), 0);
		target_close(&t);
		assert_int_equal(in_child(be_interrupted_before), i ? 128 + SIGTERM : SIGTERM);
		holds("old");
		assert_int_equal(in_child(be_interrupted), i ? 0 : SIGTERM);
		holds("new");
		assert_int_equal(in_child(be_interrupted_after), SIGTERM);
		holds("new");
		assert_int_equal(unlink(file()), 0);
	}
	no_nameless = false;
}

/* A file that the shell has opened has to be on the disk as well. */
static void standard_output(void **state)
{
	struct target t = {.fd = open(file(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};

	(void)state;
	synced = synced_dirs = 0;
	assert_int_equal(target_finish(&t, NULL), 0);
	assert_int_equal(synced, 1);
	assert_int_equal(synced_dirs, 0);
	target_close(&t);
	assert_int_equal(unlink(file()), 0);
}

static void pipes_are_drained(void **state)
{
	struct err e = {0};
	struct target t = {.fd = -1};
	char buf[8];
	int daemon[2];
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_int_equal(pipe2(daemon, O_CLOEXEC), 0);
	t.fd = fd[1];
	put(&t, "all");
	assert_int_equal(write(daemon[1], "x", 1),
			 1); /* the daemon tells something: no more waiting */
	assert_int_equal(target_drain(&t, daemon[0], &e), 0);
	assert_int_equal(read(daemon[0], buf, 1), 1);
	assert_int_equal(read(fd[0], buf, 2), 2);
	(void)close(fd[0]);
	assert_int_equal(target_drain(&t, daemon[0], &e), -EPIPE);
	target_close(&t);
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	t.fd = fd[1];
	put(&t, "all");
	assert_int_equal(read(fd[0], buf, 3), 3);
	assert_int_equal(target_drain(&t, daemon[0], &e), 0);
	(void)close(fd[0]); /* a reader that has read all may close */
	assert_int_equal(target_drain(&t, daemon[0], &e), 0);
	target_close(&t);
	(void)close(daemon[0]);
	(void)close(daemon[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_or_not_there),
		cmocka_unit_test(signals_leave_one_file),
		cmocka_unit_test(standard_output),
		cmocka_unit_test(pipes_are_drained),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	return rmdir(dir) < 0 ? 1 : rc;
}
