/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets with a path: their rights, what is there already, what systemd passes and is told. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/service.h"
#include "base/unix.h"

static char dir[] = "/tmp/unit-listen-XXXXXX";
static char path[sizeof(dir) + 8];

static int make_dir(void **state)
{
	(void)state;
	(void)umask(022);
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/socket", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static struct unix_listener listener(int type, gid_t group)
{
	return (struct unix_listener){.path = path, .type = type, .backlog = 1, .group = group};
}

static void has_its_rights(gid_t group, mode_t mode)
{
	struct unix_listener l = listener(SOCK_SEQPACKET, group);
	mode_t mask = umask(0);
	struct stat st;
	int fd;
	int client;

	fd = unix_listen(&l, NULL);
	assert_int_equal(umask(mask), 0); /* as it was */
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	if (group != UNIX_NO_GROUP)
		assert_int_equal(st.st_gid, group);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	client = unix_connect(path, SOCK_SEQPACKET, 0);
	assert_true(client >= 0);
	(void)close(client);
	(void)close(fd);
}

static void a_socket_has_its_rights_from_the_start(void **state)
{
	(void)state;
	has_its_rights(UNIX_NO_GROUP, 0600);
	has_its_rights(getgid(), 0660); /* and what was left there is replaced */
}

static void who_listens_already_is_left_alone(void **state)
{
	struct unix_listener l = listener(SOCK_STREAM, UNIX_NO_GROUP);
	int fd = unix_listen(&l, NULL);
	int queued[8];
	uint32_t n = 0;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(unix_listen(&l, NULL), -EADDRINUSE);
	l.type = SOCK_SEQPACKET;
	assert_int_equal(unix_listen(&l, NULL), -EADDRINUSE);
	/* also one that does not get round to accepting */
	while (n < 8 && (queued[n] = unix_connect(path, SOCK_STREAM, SOCK_NONBLOCK)) >= 0)
		n++;
	assert_true(n < 8);
	assert_int_equal(queued[n], -EAGAIN);
	l.type = SOCK_STREAM;
	assert_int_equal(unix_listen(&l, NULL), -EADDRINUSE);
	while (n)
		(void)close(queued[--n]);
	(void)close(fd);
	assert_int_equal(unix_connect(path, SOCK_STREAM, 0), -ECONNREFUSED);
}

static void what_is_no_socket_stays(void **state)
{
	struct unix_listener l = listener(SOCK_STREAM, UNIX_NO_GROUP);
	char longest[200];
	struct stat st;
	int fd;

	(void)state;
	(void)unlink(path);
	assert_int_equal(unix_connect(path, SOCK_STREAM, 0), -ENOENT);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(unix_listen(&l, NULL), -EEXIST);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	l.path = longest;
	assert_int_equal(unix_listen(&l, NULL), -ENAMETOOLONG);
	assert_int_equal(unix_connect(longest, SOCK_STREAM, 0), -ENAMETOOLONG);
}

/* --- systemd --- */

static void sockets_of_others_are_not_taken(void **state)
{
	char pid[16];

	(void)state;
	(void)unsetenv("LISTEN_PID");
	assert_int_equal(service_socket(), -1);
	(void)setenv("LISTEN_FDS", "1", 1);
	(void)setenv("LISTEN_PID", "1", 1);
	assert_int_equal(service_socket(), -1);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	(void)setenv("LISTEN_PID", pid, 1);
	(void)setenv("LISTEN_FDS", "2", 1);
	assert_int_equal(service_socket(), -1);
	(void)setenv("LISTEN_FDS", "1", 1);
	assert_int_equal(service_socket(), 3);
}

static void readiness_goes_to_both_kinds_of_names(void **state)
{
	static const char *const names[] = {"", "@unit-listen"};

	(void)state;
	(void)unsetenv("NOTIFY_SOCKET");
	service_notify("READY=1"); /* it was not asked for */
	for (int i = 0; i < 2; i++) {
		struct sockaddr_un a = {.sun_family = AF_UNIX};
		const char *name = *names[i] ? names[i] : path;
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		char text[32] = "";

		(void)unlink(path);
		memcpy(a.sun_path, name, strlen(name));
		if (*name == '@')
			a.sun_path[0] = '\0';
		assert_true(fd >= 0);
		assert_int_equal(
			bind(fd, (struct sockaddr *)&a,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			0);
		(void)setenv("NOTIFY_SOCKET", name, 1);
		service_notify("READY=1");
		assert_int_equal(recv(fd, text, sizeof(text) - 1, 0), 7);
		assert_string_equal(text, "READY=1");
		(void)close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_has_its_rights_from_the_start),
		cmocka_unit_test(who_listens_already_is_left_alone),
		cmocka_unit_test(what_is_no_socket_stays),
		cmocka_unit_test(sockets_of_others_are_not_taken),
		cmocka_unit_test(readiness_goes_to_both_kinds_of_names),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
