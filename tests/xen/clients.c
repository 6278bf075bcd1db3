/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that misbehave: idle, deaf, vanishing, and such that send garbage. For load.test. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "split-toolstack/protocol/client.h"

static void fail(const char *what, const struct err *e)
{
	(void)fprintf(stderr, "clients: %s: %s\n", what, e ? err_msg(e) : strerror(errno));
	exit(1);
}

static struct client connected(void)
{
	struct client c;
	struct err e = {0};

	if (client_open(&c, NULL, &e) < 0)
		fail("connect", &e);
	return c;
}

/* Holds n connections; how many were told that there are too many. */
static void idle(unsigned int n, unsigned int seconds)
{
	struct client *c = calloc(n, sizeof(*c));
	unsigned int refused = 0;

	for (unsigned int i = 0; i < n; i++) {
		c[i] = connected();
		free(c[i].in);
		free(c[i].out);
		c[i].in = c[i].out = NULL;
	}
	(void)usleep(500000);
	for (unsigned int i = 0; i < n; i++) {
		struct pollfd p = {c[i].fd, POLLIN, 0};

		refused += poll(&p, 1, 0) == 1;
	}
	printf("%u open, %u refused\n", n - refused, refused);
	(void)fflush(stdout);
	(void)sleep(seconds);
	for (unsigned int i = 0; i < n; i++)
		client_close(&c[i]);
	free(c);
}

/* Subscribes and follows, and never reads. */
static void deaf(unsigned int n, const char *vm, unsigned int seconds)
{
	struct client *c = calloc(n, sizeof(*c));

	for (unsigned int i = 0; i < n; i++) {
		struct wire_out w;

		c[i] = connected();
		client_begin(&c[i], &w, PROTO_REQ_EVENTS);
		wire_u64(&w, PROTO_SINCE, 0);
		if (client_send(&c[i], &w, NULL, 0, NULL) < 0)
			fail("events", NULL);
		client_begin(&c[i], &w, PROTO_REQ_CONSOLE);
		wire_u32(&w, PROTO_FLAGS, PROTO_F_FOLLOW | PROTO_F_LOG);
		wire_text(&w, PROTO_WHAT, vm);
		if (client_send(&c[i], &w, NULL, 0, NULL) < 0)
			fail("console", NULL);
	}
	printf("deaf\n");
	(void)fflush(stdout);
	(void)sleep(seconds);
	for (unsigned int i = 0; i < n; i++)
		client_close(&c[i]);
	free(c);
}

/* Asks for a VM and does not wait for it. */
static void vanish(unsigned int n, const char *kernel)
{
	char text[512];

	for (unsigned int i = 0; i < n; i++) {
		struct client c = connected();
		struct wire_out w;

		client_begin(&c, &w, PROTO_REQ_CREATE);
		(void)snprintf(text, sizeof(text), "name=gone%u", i);
		wire_text(&w, PROTO_SET, text);
		(void)snprintf(text, sizeof(text), "kernel=%s", kernel);
		wire_text(&w, PROTO_SET, text);
		wire_text(&w, PROTO_SET, "memory=256K");
		wire_u32(&w, PROTO_FLAGS, PROTO_F_READY | PROTO_F_TIMINGS);
		(void)client_send(&c, &w, NULL, 0, NULL);
		client_close(&c);
	}
}

/* Many requests before the first answer is read: they come in order, none is lost. */
static void pipeline(unsigned int n)
{
	struct client c = connected();
	struct err e = {0};
	unsigned int sent = 0;

	for (unsigned int got = 0; got < n;) {
		struct wire_out w;
		struct wire_in in;

		if (sent < n && sent - got < 200) {
			client_begin(&c, &w, sent % 2 ? PROTO_REQ_VERSION_INFO : PROTO_REQ_HOST);
			if (client_send(&c, &w, NULL, 0, &e) < 0)
				fail("send", &e);
			sent++;
			continue;
		}
		if (client_receive(&c, &in, &e) < 0)
			fail("receive", &e);
		if (in.h.tag != ++got) {
			(void)fprintf(stderr, "clients: answer %u instead of %u\n", in.h.tag, got);
			exit(1);
		}
	}
	client_close(&c);
}

static uint32_t random32(void)
{
	uint32_t v = 0;

	if (getrandom(&v, sizeof(v), 0) != sizeof(v))
		fail("random", NULL);
	return v;
}

/* One frame that is wrong in some way; how many bytes of `buf` to send. */
static size_t spoil(uint8_t *buf, size_t room, unsigned int kind)
{
	struct proto_header *h = (struct proto_header *)(void *)buf;
	struct wire_out w;
	size_t len;

	wire_begin(&w, buf, (uint32_t)room, (enum proto_op)(16 + random32() % 24), random32());
	wire_text(&w, (enum proto_id)(random32() % 90), "none");
	wire_u32(&w, (enum proto_id)(random32() % 90), random32());
	len = wire_end(&w);
	switch (kind % 8) {
	case 0:
		return random32() % len; /* cut, or nothing at all */
	case 1:
		h->magic ^= 1u << random32() % 32;
		return len;
	case 2:
		h->version = (uint16_t)(2 + random32() % 60000);
		return len;
	case 3:
		h->bytes = random32();
		return len;
	case 4: /* a field that claims more than there is */
		buf[sizeof(*h) + 4] = 0xff;
		return len;
	case 5: /* longer than a frame may be */
		memset(buf + len, 'x', room - len);
		return room;
	case 6:
		for (unsigned int i = 0; i < 20; i++)
			buf[sizeof(*h) + random32() % (len - sizeof(*h))] = (uint8_t)random32();
		return len;
	default:
		return len; /* well-formed, but an operation with fields that are not its own */
	}
}

static void garbage(unsigned int n)
{
	static uint8_t buf[PROTO_FRAME_MAX + 1000];
	struct client c = connected();

	for (unsigned int i = 0; i < n; i++) {
		size_t len = spoil(buf, sizeof(buf), i);
		struct pollfd p = {c.fd, POLLIN, 0};
		char answer[4096];

		if (len == 0 || send(c.fd, buf, len, MSG_NOSIGNAL) < 0 ||
		    (poll(&p, 1, 20) == 1 && recv(c.fd, answer, sizeof(answer), 0) <= 0)) {
			client_close(&c);
			c = connected();
		}
	}
	client_close(&c);
}

/* --- the same over HTTP --- */

#define API_SOCKET "/run/chaos/api.sock"

static int http_connected(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = API_SOCKET};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail(API_SOCKET, NULL);
	return fd;
}

/* Bytes that are no HTTP, requests that stop in the middle, creates whose client goes. */
static void http_garbage(unsigned int n, const char *kernel)
{
	for (unsigned int i = 0; i < n; i++) {
		struct timeval soon = {0, 20000};
		int fd = http_connected();
		char answer[1024];
		char text[1024];
		int len;

		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
		if (i % 4 == 0) {
			len = (int)(random32() % sizeof(text));
			(void)getrandom(text, sizeof(text), 0);
		} else if (i % 4 == 1) {
			len = snprintf(
				text, sizeof(text),
				"POST /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
				"{\"na");
		} else if (i % 4 == 2) {
			len = snprintf(text, sizeof(text), "GET /%0*d HTTP/1.1\r\nHost: x\r\n\r\n",
				       900, 0);
		} else {
			char body[256];
			int b = snprintf(
				body, sizeof(body),
				"{\"kernel\":\"%s\",\"memory\":\"256K\",\"wait\":\"ready\"}",
				kernel);

			len = snprintf(
				text, sizeof(text),
				"POST /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s",
				b, body);
		}
		(void)!write(fd, text, (size_t)len);
		if (i % 4 != 3)
			(void)!read(fd, answer, sizeof(answer));
		(void)close(fd);
	}
}

/* Opens event streams, reads none of them; how many were refused. */
static void http_events(unsigned int n, unsigned int seconds)
{
	static const char get[] = "GET /v1/events?since=1 HTTP/1.1\r\nHost: x\r\n\r\n";
	int *fd = calloc(n, sizeof(*fd));
	unsigned int answered = 0;
	unsigned int refused = 0;

	for (unsigned int i = 0; i < n; i++) {
		fd[i] = http_connected();
		if (write(fd[i], get, sizeof(get) - 1) < 0)
			fail("write", NULL);
	}
	for (int round = 0; round < 100 && answered < n; round++) {
		answered = refused = 0;
		(void)usleep(100000);
		for (unsigned int i = 0; i < n; i++) {
			char head[32] = "";

			if (recv(fd[i], head, sizeof(head) - 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
				continue;
			answered++;
			refused += strncmp(head, "HTTP/1.1 409", 12) == 0;
		}
	}
	printf("%u refused\n", refused);
	(void)fflush(stdout);
	(void)sleep(seconds);
	for (unsigned int i = 0; i < n; i++)
		(void)close(fd[i]);
	free(fd);
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0;
	struct rlimit l = {8192, 8192};

	(void)setrlimit(RLIMIT_NOFILE, &l);
	if (argc == 4 && strcmp(argv[1], "idle") == 0)
		idle(n, (unsigned int)strtoul(argv[3], NULL, 10));
	else if (argc == 5 && strcmp(argv[1], "deaf") == 0)
		deaf(n, argv[3], (unsigned int)strtoul(argv[4], NULL, 10));
	else if (argc == 4 && strcmp(argv[1], "vanish") == 0)
		vanish(n, argv[3]);
	else if (argc == 3 && strcmp(argv[1], "pipeline") == 0)
		pipeline(n);
	else if (argc == 3 && strcmp(argv[1], "garbage") == 0)
		garbage(n);
	else if (argc == 4 && strcmp(argv[1], "http-garbage") == 0)
		http_garbage(n, argv[3]);
	else if (argc == 4 && strcmp(argv[1], "http-events") == 0)
		http_events(n, (unsigned int)strtoul(argv[3], NULL, 10));
	else
		return 2;
	return 0;
}
