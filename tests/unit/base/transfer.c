/* SPDX-License-Identifier: BSD-3-Clause */
/* Files, pipes and sockets of clients: all bytes arrive, and what waits can be cancelled. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
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

static bool shared_by_stranger;

/* Another holder of the same end takes what poll(2) has told of, until it is to stop. */
static void *take_away(void *arg)
{
	char path[64];
	char buf[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", *(int *)arg);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	while (__atomic_load_n(&shared_by_stranger, __ATOMIC_ACQUIRE))
		(void)read(fd, buf, sizeof(buf));
	(void)close(fd);
	return NULL;
}

static void *read_all(void *arg)
{
	struct iovec iov = {in, BYTES};

	return (void *)(intptr_t)transfer_read(arg, &iov, 1);
}

/* Hangs where a call waits for what is no longer there. */
static void shared_ends_are_cancelled(void **state)
{
	pthread_t other;
	int fd[2];

	(void)state;
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	shared_by_stranger = true;
	assert_int_equal(pthread_create(&other, NULL, take_away, &fd[0]), 0);
	for (int i = 0; i < 1000; i++) {
		struct transfer r;
		pthread_t thread;
		void *rc = NULL;

		assert_int_equal(transfer_open(&r, dup(fd[0]), false, NULL), 0);
		assert_int_equal(pthread_create(&thread, NULL, read_all, &r), 0);
		for (int k = 0; k < 20; k++)
			assert_int_equal(write(fd[1], "x", 1), 1);
		transfer_cancel(&r);
		assert_int_equal(pthread_join(thread, &rc), 0);
		assert_int_equal((int)(intptr_t)rc, -ECANCELED);
		transfer_close(&r);
	}
	__atomic_store_n(&shared_by_stranger, false, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(fcntl(fd[0], F_GETFL) & O_NONBLOCK, 0); /* the client's stays as it was */
	(void)close(fd[0]);
	(void)close(fd[1]);
}

/* As files do that move bytes between a disk and memory without a copy: out[] and in[] are such
 * memory. */
static bool direct;

ssize_t __real_writev(int fd, const struct iovec *iov, int n);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
	const uint8_t *at = iov->iov_base;

	if (direct && at >= out && at < out + BYTES) {
		errno = EFAULT;
		return -1;
	}
	return __real_writev(fd, iov, n);
}

ssize_t __real_readv(int fd, const struct iovec *iov, int n);
ssize_t __wrap_readv(int fd, const struct iovec *iov, int n);
ssize_t __wrap_readv(int fd, const struct iovec *iov, int n)
{
	const uint8_t *at = iov->iov_base;

	if (direct && at >= in && at < in + BYTES) {
		errno = EFAULT;
		return -1;
	}
	return __real_readv(fd, iov, n);
}

static void memory_of_others_is_copied(void **state)
{
	int file = memfd_create("transfer", MFD_CLOEXEC);
	char path[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	direct = true;
	arrives(file, open(path, O_RDONLY | O_CLOEXEC));
	direct = false;
}

static void terminals_are_refused(void **state)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct transfer t;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(transfer_open(&t, fd, true, NULL), -EINVAL);
	assert_int_equal(transfer_open(&t, epoll_create1(EPOLL_CLOEXEC), true, NULL), -EINVAL);
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
		cmocka_unit_test(shared_ends_are_cancelled),
		cmocka_unit_test(memory_of_others_is_copied),
		cmocka_unit_test(terminals_are_refused),
		cmocka_unit_test(errors_are_told),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
