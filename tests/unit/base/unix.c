/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepting at the limit of open files, and packets whose files must not leak. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/acceptor.h"
#include "base/log.h"
#include "base/unix.h"

static uint32_t open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint32_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

/* --- accepting --- */

static int connection = -1;

static void accepted(struct acceptor *a, int fd)
{
	assert_ptr_equal(a->data, &connection);
	assert_int_equal(connection, -1);
	connection = fd;
}

static int listens(struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*a);

	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX; /* the kernel finds a name */
	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)a, sizeof(a->sun_family)) == 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)a, &len), 0);
	return fd;
}

static void accepting_pauses_at_the_limit_and_goes_on(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct acceptor a;
	struct sockaddr_un name;
	struct rlimit old;
	struct rlimit low;
	int client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int fd = listens(&name);

	(void)state;
	log_set_level(LOG_ERROR);
	acceptor_start(&a, loop, fd, accepted, &connection);
	(void)ev_run(loop, EVRUN_NOWAIT); /* the loop opens its own files */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 3;
	assert_int_equal(connect(client, (struct sockaddr *)&name,
				 offsetof(struct sockaddr_un, sun_path) + 6),
			 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	for (int round = 0; round < 3; round++) {
		while (!ev_is_active(&a.pause))
			(void)ev_run(loop, EVRUN_ONCE);
		/* Nothing is ready: the loop sleeps. */
		assert_false(ev_is_active(&a.io));
		assert_int_equal(connection, -1);
		while (ev_is_active(&a.pause))
			(void)ev_run(loop, EVRUN_ONCE);
		assert_true(ev_is_active(&a.io));
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	while (connection < 0)
		(void)ev_run(loop, EVRUN_ONCE);
	(void)close(connection);
	acceptor_stop(&a);
	assert_false(ev_is_active(&a.io) || ev_is_active(&a.pause));
	(void)close(fd);
	(void)close(client);
	ev_loop_destroy(loop);
}

/* --- packets --- */

static void send_files(int to, const void *data, size_t len, uint32_t n)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 32)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n) {
		struct cmsghdr *h;

		memset(&control, 0, sizeof(control));
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * n);
		for (uint32_t i = 0; i < n; i++) {
			int fd = 2;

			memcpy(CMSG_DATA(h) + i * sizeof(int), &fd, sizeof(fd));
		}
	}
	assert_int_equal(sendmsg(to, &m, 0), (ssize_t)len);
}

static void files_of_packets_never_leak(void **state)
{
	static const struct {
		size_t len;
		uint32_t sent, most;
		ssize_t got;
		uint32_t files;
	} cases[] = {
		{5, 0, 4, 5, 0},	  {5, 4, 4, 5, 4},
		{5, 1, 1, 5, 1},	  {0, 4, 4, 0, 0}, /* empty: the end */
		{5, 2, 1, -EMFILE, 0},	/* one fits, two would have been opened */
		{5, 5, 4, -EMFILE, 0},	/* more than asked for */
		{5, 20, 4, -EMFILE, 0}, /* more than there is room for */
		{40, 3, 4, -EMSGSIZE, 0}, {0, 0, 4, 0, 0}, /* cut */
	};
	uint32_t before;
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	before = open_files();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static const char data[64] = "data";
		char buf[8];
		int files[4];
		uint32_t n = 99;

		send_files(s[0], data, cases[i].len, cases[i].sent);
		assert_int_equal(unix_receive(s[1], buf, sizeof(buf), files, cases[i].most, &n),
				 cases[i].got);
		assert_int_equal(n, cases[i].files);
		assert_int_equal(open_files(), before + n);
		while (n)
			(void)close(files[--n]);
	}
	assert_int_equal(unix_receive(s[1], NULL, 0, NULL, 0, &before), -EAGAIN);
	(void)close(s[0]);
	(void)close(s[1]);
}

/* The receiver has no descriptors left: the packet is told apart from one without files. */
static void files_at_the_limit_are_an_error(void **state)
{
	struct rlimit old;
	struct rlimit low;
	char buf[8];
	int files[4];
	uint32_t n;
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	send_files(s[0], "data", 4, 2);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(unix_receive(s[1], buf, sizeof(buf), files, 4, &n), -EMFILE);
	assert_int_equal(n, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	(void)close(s[0]);
	(void)close(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepting_pauses_at_the_limit_and_goes_on),
		cmocka_unit_test(files_of_packets_never_leak),
		cmocka_unit_test(files_at_the_limit_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
