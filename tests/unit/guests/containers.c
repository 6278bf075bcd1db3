/* SPDX-License-Identifier: BSD-3-Clause */
/* Several containers in one VM, at the agent: names, folders, archives, first processes, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guests/linux/agent/agent.h"

struct session agent_session[LINK_SESSIONS];

static struct {
	unsigned int mounts, folders; /* that are there */
	bool mount_fails, unmount_fails;
	const char *inside; /* the root of this process */
	unsigned int killed, cleared, archives, bytes;
	char at[64]; /* the folder that was unmounted last */
} os;

/* --- what it calls --- */

int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_rmdir(const char *path);
int __wrap_mount(const char *what, const char *at, const char *type, unsigned long flags,
		 const void *data);
int __wrap_umount2(const char *at, int flags);
ssize_t __wrap_readlink(const char *path, char *to, size_t room);
int __wrap_kill(pid_t pid, int number);

int __wrap_mkdir(const char *path, mode_t mode)
{
	(void)mode;
	assert_memory_equal(path, "/c", 2);
	os.folders += strlen(path) > 2 && !strstr(path, "/root");
	return 0;
}

int __wrap_rmdir(const char *path)
{
	assert_memory_equal(path, "/c/", 3);
	os.folders--;
	return 0;
}

int __wrap_mount(const char *what, const char *at, const char *type, unsigned long flags,
		 const void *data)
{
	(void)what;
	(void)at;
	(void)flags;
	(void)data;
	assert_string_equal(type, "tmpfs");
	if (os.mount_fails) {
		errno = ENOMEM;
		return -1;
	}
	os.mounts++;
	return 0;
}

int __wrap_umount2(const char *at, int flags)
{
	(void)flags;
	(void)snprintf(os.at, sizeof(os.at), "%s", at);
	if (os.mount_fails || os.unmount_fails) {
		errno = EINVAL;
		return -1;
	}
	os.mounts--;
	return 0;
}

/* This process is in one of them; the others of the host are not. */
ssize_t __wrap_readlink(const char *path, char *to, size_t room)
{
	char own[64];
	const char *text = "/";

	(void)snprintf(own, sizeof(own), "/proc/%d/root", (int)getpid());
	if (strcmp(path, own) == 0)
		text = os.inside;
	assert_true(strlen(text) <= room);
	memcpy(to, text, strlen(text));
	return (ssize_t)strlen(text);
}

int __wrap_kill(pid_t pid, int number)
{
	assert_int_equal(pid, getpid());
	assert_int_equal(number, SIGKILL);
	os.killed++;
	return 0;
}

struct unpack *unpack_begin(int dir)
{
	if (dir >= 0)
		(void)close(dir);
	os.archives++;
	return (struct unpack *)&os;
}

void unpack_bytes(struct unpack *u, const uint8_t *bytes, size_t len)
{
	assert_ptr_equal(u, &os);
	assert_non_null(bytes);
	os.bytes += (unsigned int)len;
}

const char *unpack_end(struct unpack *u)
{
	assert_ptr_equal(u, &os);
	os.archives--;
	return "cut off";
}

void spec_clear(struct spec *s)
{
	os.cleared++;
	*s = (struct spec){0};
}

const char *say(const char *fmt, ...)
{
	return fmt;
}

/* --- tests --- */

static int begin(void **state)
{
	(void)state;
	memset(&os, 0, sizeof(os));
	os.inside = "/";
	return 0;
}

static void test_names(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "a:b", "a,b", "a\\b"};
	char longest[CONTAINER_NAME + 1];
	struct container *c;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(container_get(bad[i]));
	memset(longest, 'x', sizeof(longest));
	longest[CONTAINER_NAME] = '\0';
	assert_null(container_get(longest));
	longest[CONTAINER_NAME - 1] = '\0';
	c = container_get(longest);
	assert_non_null(c);
	assert_string_equal(container_path(c, "root") + 3 + CONTAINER_NAME - 1, "/root");
	assert_null(container_leave(c));
	assert_int_equal(os.mounts, 0);
	assert_int_equal(os.folders, 0);
}

/* As many as there is room for, each found again; a place is free again behind the end of one. */
static void test_room(void **state)
{
	struct container *c[CONTAINERS_MAX];
	char name[8];

	(void)state;
	for (uint32_t i = 0; i < CONTAINERS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "c%u", i);
		c[i] = container_get(name);
		assert_non_null(c[i]);
		assert_ptr_equal(container_get(name), c[i]);
	}
	assert_int_equal(os.mounts, CONTAINERS_MAX);
	assert_null(container_get("more"));
	assert_string_equal(container_path(c[3], "root"), "/c/c3/root");
	assert_null(container_leave(c[3]));
	assert_string_equal(os.at, "/c/c3");
	c[3] = container_get("more");
	assert_non_null(c[3]);
	for (uint32_t i = 0; i < CONTAINERS_MAX; i++)
		assert_null(container_leave(c[i]));
	assert_int_equal(os.mounts, 0);
	os.mount_fails = true;
	assert_null(container_get("a"));
	assert_int_equal(os.folders, 0);
	os.mount_fails = false;
	assert_non_null(container_leave(&container_vm));
}

/* The first process of each, and its end. */
static void test_first(void **state)
{
	struct container *a = container_get("a");
	struct container *b = container_get("b");

	(void)state;
	container_has(a, 5);
	assert_false(a->begun); /* it has no root */
	a->set_up = b->set_up = true;
	container_has(a, 5);
	container_has(b, 6);
	container_has(a, 7); /* beside it */
	assert_int_equal(a->first, 5);
	container_ended(7);
	assert_int_equal(a->first, 5);
	container_ended(5);
	assert_int_equal(a->first, 0);
	assert_int_equal(b->first, 6);
	assert_true(a->begun);
	assert_null(container_leave(a));
	assert_null(container_leave(b));
}

/* All that runs in it is killed, and nothing that runs in others; no session keeps it. */
static void test_leave(void **state)
{
	struct container *a = container_get("a");
	struct container *b = container_get("b");

	(void)state;
	a->mount[a->n++] = strdup("x");
	a->set_up = b->set_up = true;
	agent_session[2].spec.in = b;
	agent_session[3].spec.in = a;
	os.inside = "/c/ab/root";
	assert_null(container_leave(a));
	assert_int_equal(os.killed, 0);
	assert_int_equal(os.cleared, 1);
	assert_null(agent_session[3].spec.in);
	assert_ptr_equal(agent_session[2].spec.in, b);
	os.inside = "/c/b/root";
	os.unmount_fails = true;
	assert_non_null(container_leave(b));
	assert_int_equal(os.killed, 1);
	assert_null(agent_session[2].spec.in);
	/* the same name is another one then */
	os.unmount_fails = false;
	b = container_get("b");
	assert_non_null(b);
	assert_false(b->set_up);
	assert_null(container_leave(b));
}

static void test_archive(void **state)
{
	struct container *a = container_get("a");
	struct container *b = container_get("b");

	(void)state;
	container_archive(a, (const uint8_t *)"xx", 2);
	container_archive(b, (const uint8_t *)"xxx", 3);
	container_archive(a, (const uint8_t *)"xx", 2);
	assert_int_equal(os.archives, 2);
	assert_int_equal(os.bytes, 7);
	assert_string_equal(container_archive_end(a), "cut off");
	assert_null(container_archive_end(a));
	a->set_up = true;
	container_archive(a, (const uint8_t *)"x", 1); /* too late */
	assert_int_equal(os.bytes, 7);
	/* another host: what was told halfway is forgotten, roots stay */
	b->mount[b->n++] = strdup("x");
	a->mount[a->n++] = strdup("x");
	containers_begun();
	assert_int_equal(os.archives, 0);
	assert_int_equal(b->n, 0);
	assert_int_equal(a->n, 1);
	assert_null(container_leave(a));
	assert_null(container_leave(b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup(test_names, begin),
					   cmocka_unit_test_setup(test_room, begin),
					   cmocka_unit_test_setup(test_first, begin),
					   cmocka_unit_test_setup(test_leave, begin),
					   cmocka_unit_test_setup(test_archive, begin)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
