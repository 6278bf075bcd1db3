/* SPDX-License-Identifier: BSD-3-Clause */
/* Warm creates over HTTP: one kept-alive connection to chaos-api. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/unix.h"
#include "bench/conn.h"

#define API_SOCKET "/run/chaos/api.sock"

static int connect_api(void)
{
	int fd = unix_connect(API_SOCKET, SOCK_STREAM, 0);

	if (fd < 0)
		die("%s: %s", API_SOCKET, strerror(-fd));
	return fd;
}

/* Sends all of it and reads one answer; its status. */
static int exchange(int fd, const char *request, size_t len, char *answer, size_t room)
{
	size_t have = 0;
	size_t want = 0;

	if (write(fd, request, len) != (ssize_t)len)
		die("HTTP: cannot send");
	while (want == 0 || have < want) {
		ssize_t n = read(fd, answer + have, room - 1 - have);
		const char *body;
		const char *length;

		if (n <= 0)
			die("HTTP: the answer was cut");
		have += (size_t)n;
		answer[have] = '\0';
		body = strstr(answer, "\r\n\r\n");
		if (!body || want)
			continue;
		length = strstr(answer, "Content-Length: ");
		want = (size_t)(body + 4 - answer) + (length ? strtoul(length + 16, NULL, 10) : 0);
	}
	return (int)strtol(answer + 9, NULL, 10);
}

uint64_t http_create(int fd, const char *type)
{
	char request[1024];
	char answer[4096];
	char body[512];
	uint64_t start;
	uint64_t took;
	int n = snprintf(body, sizeof(body),
			 "{\"name\":\"bench\",\"kernel\":\"%s/noop\",\"memory\":4,\"type\":\"%s\","
			 "\"wait\":\"ready\"}",
			 CHAOS_GUEST_DIR, type);
	int len = snprintf(request, sizeof(request),
			   "POST /v1/vms HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
			   "application/json\r\nContent-Length: %d\r\n\r\n%s",
			   n, body);

	start = clock_ns();
	if (exchange(fd, request, (size_t)len, answer, sizeof(answer)) != 201)
		die("HTTP create: %s", answer);
	took = clock_ns() - start;
	if (!strstr(answer, "\"way\":\"warm\""))
		die("HTTP create was not warm: %s", answer);
	return took;
}

int http_open(void)
{
	return connect_api();
}
