/* SPDX-License-Identifier: BSD-3-Clause */
/* Files, pipes and sockets of clients: all bytes arrive, and what waits can be cancelled. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/transfer.h"

#define BYTES (1u << 20)

static uint8_t out[BYTES], in[BYTES];

static void *write_all(void *arg)
{
	struct iovec iov[3] = {{out, 5}, {out + 5, 0}, {out + 5, BYTES - 5}};

	return (void *)(intptr_t)transfer_write(arg, iov, 3);
}

static void fill(void)
{
	for (uint32_t i = 0; i < BYTES; i++)
		out[i] = (uint8_t)(i * 7 + i / 4096);
	memset(in, 0, sizeof(in));
}

static void arrives(int to, int from)
{
	struct iovec iov[2] = {{in, 4097}, {in + 4097, BYTES - 4097}};
	struct iovec more = {in, 1};
	struct transfer w;
	struct transfer r;
	pthread_t thread;
	void *rc = NULL;

	fill();
	assert_int_equal(transfer_open(&w, to, true, NULL), 0);
	assert_int_equal(transfer_open(&r, from, false, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
	if (!w.polled)
		assert_int_equal(pthread_join(thread, &rc), 0);
	assert_int_equal(transfer_read(&r, iov, 2), BYTES);
	if (w.polled)
		assert_int_equal(pthread_join(thread, &rc), 0);
	assert_null(rc);
	assert_memory_equal(in, out, BYTES);
	assert_int_equal(w.bytes, BYTES);
	assert_int_equal(r.bytes, BYTES);
	transfer_close(&w);
	assert_int_equal(transfer_read(&r, &more, 1), 0);
	transfer_close(&r);
}

static void all_of_it_arrives(void **state)
{
	int fd[2];
	int file = memfd_create("transfer", MFD_CLOEXEC);
	char path[64];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	arrives(fd[1], fd[0]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	arrives(fd[0], fd[1]);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	arrives(file, open(path, O_RDONLY | O_CLOEXEC));
}

static void what_waits_is_cancelled(void **state)
{
	struct iovec one = {in, 1};
	struct transfer w;
	struct transfer r;
	pthread_t thread;
	int fd[2];
	void *rc = NULL;

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_int_equal(transfer_open(&w, fd[1], true, NULL), 0);
	assert_int_equal(transfer_open(&r, fd[0], false, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_all, &w), 0);
	transfer_cancel(&w); /* before it waits, while it does: both end */
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_int_equal((int)(intptr_t)rc, -ECANCELED);
	assert_true(transfer_is_cancelled(&w));
	transfer_cancel(&r);
	assert_int_equal(transfer_read(&r, &one, 1), -ECANCELED);
	transfer_close(&w);
	transfer_close(&r);
}

static void errors_are_told(void **state)
{
	struct iovec one = {out, 1};
	struct transfer t;
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	assert_int_equal(transfer_open(&t, fd[0], true, NULL), -EINVAL);
	assert_int_equal(close(fd[0]), -1); /* it was taken */
	assert_int_equal(transfer_open(&t, fd[1], true, NULL), 0);
	assert_int_equal(transfer_write(&t, &one, 1), -EPIPE);
	transfer_close(&t);
	assert_int_equal(transfer_open(&t, open("/dev/full", O_WRONLY | O_CLOEXEC), true, NULL), 0);
	one = (struct iovec){out, 1};
	assert_int_equal(transfer_write(&t, &one, 1), -ENOSPC);
	transfer_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_arrives),
		cmocka_unit_test(what_waits_is_cancelled),
		cmocka_unit_test(errors_are_told),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
