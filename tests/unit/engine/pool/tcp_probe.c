/* SPDX-License-Identifier: BSD-3-Clause */
/* A TCP server that answers, refuses, comes late, or does not take connections for a while. */
#include "split-toolstack/engine/pool/tcp_probe.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static struct sockaddr_in at;
static struct tcp_probe p;

/* A socket with a port of its own on loopback. */
static int bound(void)
{
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	return fd;
}

static uint16_t own_port(void)
{
	struct sockaddr_in me = {0};
	socklen_t len = sizeof(me);

	assert_true(p.fd >= 0);
	assert_int_equal(getsockname(p.fd, (struct sockaddr *)&me, &len), 0);
	return me.sin_port;
}

static int start(void **state)
{
	(void)state;
	p = TCP_PROBE_INIT;
	return 0;
}

static int stop(void **state)
{
	(void)state;
	tcp_probe_close(&p);
	return 0;
}

#define PROBE(f) cmocka_unit_test_setup_teardown(f, start, stop)

static void it_answers(void **state)
{
	int fd = bound();

	(void)state;
	assert_int_equal(listen(fd, 1), 0);
	assert_false(
		tcp_probe_answers(&p, &at, 5.)); /* the handshake on loopback is made at once */
	assert_true(tcp_probe_answers(&p, &at, 5.));
	assert_int_equal(p.fd, -1);
	(void)close(fd);
}

static void it_is_refused_until_there_is_a_server(void **state)
{
	int fd = bound();

	(void)state;
	for (int i = 0; i < 200; i++)
		assert_false(tcp_probe_answers(&p, &at, 1. + .01 * i));
	assert_int_equal(listen(fd, 1), 0);
	/* within 0.1 s, however often it was refused */
	assert_false(tcp_probe_answers(&p, &at, 3.11));
	assert_true(tcp_probe_answers(&p, &at, 3.11));
	(void)close(fd);
}

/* The queue of a server that accepts nothing is full: what is sent to it is dropped. */
static void one_that_is_slow_is_given_time(void **state)
{
	static const double spans[] = {.1, .2, .4, .8, 1.6, 3.2, 6.4, 6.4};
	int fd = bound();
	int full[2];
	double now = 1.;
	uint16_t port = 0;

	(void)state;
	assert_int_equal(listen(fd, 0), 0);
	for (int i = 0; i < 2; i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(full[i], (struct sockaddr *)&at, sizeof(at));
	}
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		assert_false(tcp_probe_answers(&p, &at, now));
		assert_int_not_equal(own_port(), port); /* a new one ... */
		port = own_port();
		for (int part = 1; part < 10; part++) {
			assert_false(tcp_probe_answers(&p, &at, now + spans[i] * part / 10));
			assert_int_equal(own_port(), port); /* ... that is kept so long */
		}
		now += spans[i] * 1.001;
	}
	(void)close(full[0]);
	(void)close(full[1]);
	(void)close(fd);
}

static void nothing_is_held_after_the_end(void **state)
{
	int fd = bound();

	(void)state;
	assert_int_equal(listen(fd, 0), 0);
	assert_false(tcp_probe_answers(&p, &at, 1.));
	assert_true(p.fd >= 0);
	tcp_probe_close(&p);
	assert_int_equal(p.fd, -1);
	tcp_probe_close(&p);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROBE(it_answers),
		PROBE(it_is_refused_until_there_is_a_server),
		PROBE(one_that_is_slow_is_given_time),
		PROBE(nothing_is_held_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
