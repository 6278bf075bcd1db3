/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions to name servers over a stream: there and back over UDP and TCP, and ends that break the
 * rules. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guests/linux/link/names.h"

/* Two ends, each with a process of its own. What programs ask at 127.0.0.21 goes over the stream to
 * a server at 127.0.0.22; what they ask at
 * 127.0.0.24 goes the other way, to the server that they asked. Servers are at the next port. */
static pid_t ends[2];
static uint16_t port, next_port; /* in the order of the network */
static int server_udp, server_tcp;

static uint32_t ip(const char *text)
{
	return inet_addr(text);
}

/* A server that is a socket of this test. */
static void make_server(const char *address)
{
	assert_int_equal(names_listen(ip(address), next_port, &server_udp, &server_tcp), 0);
}

static pid_t run(const struct names_end *e, int other)
{
	pid_t pid = fork();

	assert_return_code(pid, errno);
	if (pid == 0) {
		(void)close(other);
		(void)alarm(60);
		_exit(names_run(e) < 0);
	}
	return pid;
}

static int setup(void **state)
{
	struct names_end near = {.server = 0};
	struct names_end far = {.server = ip("127.0.0.22")};
	int rc = -1;
	int pair[2];

	(void)state;
	for (int i = (int)getpid() % 20000; i < 40000 && rc < 0; i += 2) { /* ports that are free */
		port = htons((uint16_t)(20000 + i));
		next_port = htons((uint16_t)(20001 + i));
		rc = names_listen(ip("127.0.0.21"), port, &near.udp, &near.tcp);
		if (rc == 0)
			rc = names_listen(ip("127.0.0.24"), port, &far.udp, &far.tcp);
	}
	assert_int_equal(rc, 0);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	near.port = far.port = next_port;
	near.in = near.out = pair[0];
	far.in = far.out = pair[1];
	ends[0] = run(&near, pair[1]);
	ends[1] = run(&far, pair[0]);
	(void)close(pair[0]);
	(void)close(pair[1]);
	(void)close(near.udp);
	(void)close(near.tcp);
	(void)close(far.udp);
	(void)close(far.tcp);
	return 0;
}

/* When one end goes, so does the other. */
static int teardown(void **state)
{
	int status = 1;

	(void)state;
	(void)kill(ends[0], SIGKILL);
	assert_int_equal(waitpid(ends[0], &status, 0), ends[0]);
	assert_int_equal(waitpid(ends[1], &status, 0), ends[1]);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int dial(int kind, const char *address, uint16_t to_port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = to_port, .sin_addr.s_addr = ip(address)};
	struct timeval t = {.tv_sec = 30};
	int s = socket(AF_INET, kind, 0);

	assert_return_code(connect(s, (struct sockaddr *)&to, sizeof(to)), errno);
	assert_return_code(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), errno);
	return s;
}

/* As a server: hears one, and says it back with other letters. */
static void answer_udp(const char *question, const char *answer)
{
	struct sockaddr_in from = {0};
	socklen_t len = sizeof(from);
	char text[4096] = "";
	ssize_t n = -1;

	for (int i = 0; i < 3000 && n < 0; i++) {
		n = recvfrom(server_udp, text, sizeof(text), 0, (struct sockaddr *)&from, &len);
		if (n < 0)
			(void)usleep(10000);
	}
	assert_int_equal(n, strlen(question));
	assert_memory_equal(text, question, strlen(question));
	assert_int_equal(
		sendto(server_udp, answer, strlen(answer), 0, (struct sockaddr *)&from, len),
		strlen(answer));
}

static void heard(int s, const char *want)
{
	char text[4096] = "";
	ssize_t n = recv(s, text, sizeof(text), 0);

	assert_int_equal(n, strlen(want));
	assert_memory_equal(text, want, strlen(want));
}

static void close_server(void)
{
	(void)close(server_udp);
	(void)close(server_tcp);
}

static void test_udp(void **state)
{
	int one = dial(SOCK_DGRAM, "127.0.0.21", port);
	int two = dial(SOCK_DGRAM, "127.0.0.21", port);

	(void)state;
	make_server("127.0.0.22");
	assert_int_equal(send(one, "short", 5, 0), 5); /* no message: it goes nowhere */
	assert_int_equal(send(one, "question number 1", 17, 0), 17);
	answer_udp("question number 1", "answer number 1.");
	assert_int_equal(send(two, "question number 2", 17, 0), 17);
	answer_udp("question number 2", "answer number 2.");
	heard(two, "answer number 2.");
	heard(one, "answer number 1.");
	/* more of them than are known at a time */
	for (unsigned int i = 0; i < 3 * NAMES_FLYING; i++) {
		assert_int_equal(send(one, "question number 3", 17, 0), 17);
		answer_udp("question number 3", "answer number 3.");
		heard(one, "answer number 3.");
	}
	close_server();
	(void)close(one);
	(void)close(two);
}

/* The other way, and the answer comes from the address that was asked. */
static void test_back(void **state)
{
	int s = dial(SOCK_DGRAM, "127.0.0.24", port);

	(void)state;
	make_server("127.0.0.24");
	assert_int_equal(send(s, "question of the host", 20, 0), 20);
	answer_udp("question of the host", "answer of the world");
	heard(s, "answer of the world");
	close_server();
	(void)close(s);
}

static void read_all(int s, char *to, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = recv(s, to + at, len - at, 0);

		assert_true(n > 0);
		at += (size_t)n;
	}
}

/* A message as large as they may be; and a second question on the same connection. */
static void test_tcp(void **state)
{
	static char large[2 + 65535];
	static char got[sizeof(large)];
	int s = dial(SOCK_STREAM, "127.0.0.21", port);
	int peer = -1;

	(void)state;
	make_server("127.0.0.22");
	memset(large, 'x', sizeof(large));
	large[0] = large[1] = (char)0xff;
	assert_int_equal(send(s, "\0\021question number 1", 19, 0), 19);
	for (int i = 0; i < 3000 && peer < 0; i++) {
		peer = accept(server_tcp, NULL, NULL);
		if (peer < 0)
			(void)usleep(10000);
	}
	assert_return_code(peer, errno);
	read_all(peer, got, 19);
	assert_memory_equal(got, "\0\021question number 1", 19);
	for (size_t at = 0; at < sizeof(large);) {
		ssize_t n = send(peer, large + at, sizeof(large) - at, 0);

		assert_true(n > 0);
		at += (size_t)n;
	}
	read_all(s, got, sizeof(got));
	assert_memory_equal(got, large, sizeof(got));
	(void)close(peer);
	close_server();
	(void)close(s);
}

/* Nobody is there: a failure of the server, not silence. */
static void test_refused(void **state)
{
	int s = dial(SOCK_STREAM, "127.0.0.21", port);
	char got[19];

	(void)state;
	assert_int_equal(send(s, "\0\021id\1\0 no server x", 19, 0), 19);
	read_all(s, got, sizeof(got));
	assert_memory_equal(got, "\0\021id\x81\2 no server x", 19);
	(void)close(s);
}

static void end_with(const void *bytes, size_t len, int want)
{
	struct names_end e = {.udp = -1, .tcp = -1};
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	e.in = e.out = pair[0];
	assert_int_equal(write(pair[1], bytes, len), len);
	(void)shutdown(pair[1], SHUT_WR);
	assert_int_equal(names_run(&e), want);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void test_hostile(void **state)
{
	uint8_t answer[24] = {12, 0, 0, 0, 9, 9, 2};
	uint8_t other[24] = {12, 0, 0, 0, 9, 9, 77};

	(void)state;
	end_with("", 0, 0);
	end_with("\1\2", 2, 0);
	end_with("\0\0\0\0\0\0\1\0\0\0\0\0\0", 13, -EPROTO); /* no message */
	end_with("\0\0\1\0\0\0\1\0\0\0\0\0\0", 13, -EPROTO); /* too large a one */
	end_with(answer, sizeof(answer), 0);		     /* of no question */
	end_with(other, sizeof(other), 0);		     /* of no kind */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp), cmocka_unit_test(test_back), cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_hostile)};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
