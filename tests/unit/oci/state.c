/* SPDX-License-Identifier: BSD-3-Clause */
/* Folders of containers: what is killed blocks no id, and what cannot be read is no end. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oci/control.h"
#include "oci/state.h"

static char folder[] = "/tmp/chaos-unit-state-XXXXXX";
static char path[64];
static const struct oci oci = {.root = path};
static struct bundle bundle;

/* --- calls that end the process, and an open that fails --- */

static unsigned int calls, ends_at;
static int fails;	    /* this errno */
static const char *failing; /* paths that begin so */

static void count(void)
{
	if (++calls == ends_at)
		_exit(9);
}

int __real_mkdirat(int dir, const char *name, mode_t mode);
int __wrap_mkdirat(int dir, const char *name, mode_t mode);
int __wrap_mkdirat(int dir, const char *name, mode_t mode)
{
	count();
	return __real_mkdirat(dir, name, mode);
}

int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags)
{
	count();
	return __real_unlinkat(dir, name, flags);
}

int __real_renameat(int from, const char *name, int to, const char *as);
int __wrap_renameat(int from, const char *name, int to, const char *as);
int __wrap_renameat(int from, const char *name, int to, const char *as)
{
	count();
	return __real_renameat(from, name, to, as);
}

int __real_openat64(int dir, const char *name, int flags, mode_t mode);
int __wrap_openat64(int dir, const char *name, int flags, mode_t mode);
int __wrap_openat64(int dir, const char *name, int flags, mode_t mode)
{
	count();
	return __real_openat64(dir, name, flags, mode);
}

int __real_open64(const char *name, int flags, mode_t mode);
int __wrap_open64(const char *name, int flags, mode_t mode);
int __wrap_open64(const char *name, int flags, mode_t mode)
{
	if (failing && strncmp(name, failing, strlen(failing)) == 0) {
		errno = fails;
		return -1;
	}
	return __real_open64(name, flags, mode);
}

/* --- what is killed --- */

static void make_one(const char *id)
{
	struct container c;
	struct err e = {0};

	assert_int_equal(container_new(&c, &oci, id, &bundle, &e), 0);
	container_close(&c);
}

static int open_one(const char *id, struct err *e)
{
	struct container c;
	int rc = container_open(&c, &oci, id, e);

	container_close(&c);
	return rc;
}

static void remove_one(const char *id)
{
	struct container c;
	struct err e = {0};

	assert_int_equal(container_open(&c, &oci, id, &e), 0);
	assert_int_equal(container_mark(&c, "started", true, &e), 0);
	assert_int_equal(container_remove(&c, &oci, &e), 0);
	container_close(&c);
}

static bool folder_is_there(const char *id)
{
	char at[128];
	struct stat st;

	(void)snprintf(at, sizeof(at), "%s/%s", path, id);
	return lstat(at, &st) == 0;
}

/* In a process that ends at its nth call; false: it did not get there. */
static bool is_killed(void (*fn)(const char *id), unsigned int n)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		calls = 0;
		ends_at = n;
		fn("x");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 9;
}

/* What is left is a container that "delete" removes, or there is none: then "create" makes one at
 * once, and "delete --force" removes all of it. */
static void check_rest(bool again)
{
	struct err e = {0};
	int rc = open_one("x", &e);

	if (rc == 0) {
		remove_one("x");
	} else {
		assert_int_equal(rc, -ENOENT);
		assert_non_null(strstr(e.msg, "does not exist"));
		if (again) {
			make_one("x");
			remove_one("x");
		} else {
			assert_int_equal(container_clear(&oci, "x", &e), 0);
		}
	}
	assert_false(folder_is_there("x"));
}

static void test_killed(void **state)
{
	(void)state;
	for (int again = 0; again < 2; again++) {
		unsigned int n = 1;

		for (; is_killed(make_one, n); n++)
			check_rest(again);
		assert_true(n > 5);
		for (n = 1;; n++) {
			if (!folder_is_there("x"))
				make_one("x");
			if (!is_killed(remove_one, n))
				break;
			check_rest(again);
		}
		assert_true(n > 8);
	}
}

static void test_exists(void **state)
{
	struct container c;
	struct err e = {0};

	(void)state;
	make_one("x");
	assert_int_equal(container_new(&c, &oci, "x", &bundle, &e), -EEXIST);
	container_close(&c);
	assert_int_equal(container_clear(&oci, "x", &e), -EEXIST);
	assert_int_equal(open_one("x", &e), 0);
	remove_one("x");
	assert_int_equal(container_clear(&oci, "x", &e), 0);
}

/* Nothing of others, and not through a link. */
static void test_foreign(void **state)
{
	char at[128];
	char other[128];
	struct err e = {0};

	(void)state;
	(void)snprintf(at, sizeof(at), "%s/x", path);
	(void)snprintf(other, sizeof(other), "%s/other", folder);
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(symlink(other, at), 0);
	assert_true(container_clear(&oci, "x", &e) < 0);
	assert_int_equal(unlink(at), 0);
	assert_int_equal(mkdir(at, 0700), 0);
	(void)snprintf(at, sizeof(at), "%s/x/mine", path);
	assert_int_equal(mkdir(at, 0700), 0);
	assert_int_equal(container_clear(&oci, "x", &e), -ENOTEMPTY);
	assert_non_null(strstr(e.msg, "by hand"));
	assert_int_equal(rmdir(at), 0);
	assert_int_equal(rmdir(other), 0);
	assert_int_equal(container_clear(&oci, "x", &e), 0);
	assert_false(folder_is_there("x"));
}

/* One that was removed by another command, and made again. */
static void test_another(void **state)
{
	struct container c;
	struct err e = {0};

	(void)state;
	make_one("x");
	assert_int_equal(container_open(&c, &oci, "x", &e), 0);
	remove_one("x");
	make_one("x");
	assert_int_equal(container_remove(&c, &oci, &e), 0);
	container_close(&c);
	assert_int_equal(open_one("x", &e), 0);
	remove_one("x");
}

static void test_race(void **state)
{
	struct err e = {0};
	int status = 0;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		for (;;)
			(void)container_clear(&oci, "x", NULL);
	for (int i = 0; i < 2000; i++) {
		make_one("x");
		assert_int_equal(open_one("x", &e), 0);
		remove_one("x");
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* --- what cannot be read --- */

static void test_status(void **state)
{
	static const int codes[] = {EMFILE, ENFILE, ENOMEM, EACCES};
	struct container c;
	struct err e = {0};
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		for (;;)
			(void)pause();
	assert_int_equal(container_new(&c, &oci, "x", &bundle, &e), 0);
	assert_int_equal(container_set_pid(&c, pid, &e), 0);
	assert_int_equal(container_wait(&c, 0, &e), -ETIMEDOUT);
	failing = "/proc/";
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		fails = codes[i];
		assert_int_equal(open_one("x", &e), -codes[i]);
		assert_non_null(strstr(e.msg, "container x: does its monitor run: read /proc/"));
		assert_int_equal(container_wait(&c, 0, &e), -codes[i]);
		assert_int_equal(container_set_pid(&c, pid, &e), -codes[i]);
		assert_int_equal(container_engine(), -1);
	}
	failing = NULL;
	assert_int_equal(container_engine(), getppid());
	container_close(&c);
	assert_int_equal(container_open(&c, &oci, "x", &e), 0);
	assert_int_equal(c.status, OCI_CREATED);
	container_close(&c);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(container_open(&c, &oci, "x", &e), 0);
	assert_int_equal(c.status, OCI_STOPPED);
	container_close(&c);
	remove_one("x");
}

/* --- a monitor that ends after its state was read --- */

static void test_ended(void **state)
{
	struct container c;
	struct err e = {0};
	int listener;

	(void)state;
	assert_int_equal(container_new(&c, &oci, "x", &bundle, &e), 0);
	assert_int_equal(control_ask(&c, CONTROL_KILL, 9, &e), -ENOENT); /* none yet */
	listener = control_listen(&c, &e);
	assert_true(listener >= 0);
	(void)close(listener);
	assert_int_equal(control_ask(&c, CONTROL_KILL, 9, &e), -EPIPE);
	assert_string_equal(e.msg, "container x: it has ended");
	container_close(&c);
	remove_one("x");
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/run", folder);
	bundle.path = folder;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(rmdir(path), 0);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),	cmocka_unit_test(test_exists),
		cmocka_unit_test(test_foreign), cmocka_unit_test(test_another),
		cmocka_unit_test(test_race),	cmocka_unit_test(test_status),
		cmocka_unit_test(test_ended)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
