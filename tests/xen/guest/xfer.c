/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that can be checked, and a TCP exchange of them. */
#include "xfer.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC 0x72656678u
#define WORDS 8192 /* of one step: 64 KiB */

/* What a client sends first. Both ends are little-endian. */
struct head {
	uint32_t magic;
	uint32_t put; /* 1: the client sends, 0: it wants to be sent */
	uint64_t bytes;
	uint64_t seed;
};

void pattern_fill(uint64_t *buf, size_t words, uint64_t at, uint64_t seed)
{
	for (size_t i = 0; i < words; i++)
		buf[i] = (at + i + seed) * 0x9e3779b97f4a7c15u ^ (at + i);
}

size_t pattern_check(const uint64_t *buf, size_t words, uint64_t at, uint64_t seed)
{
	for (size_t i = 0; i < words; i++) {
		if (buf[i] != ((at + i + seed) * 0x9e3779b97f4a7c15u ^ (at + i)))
			return i;
	}
	return words;
}

static int write_all(int fd, const void *data, size_t len)
{
	for (const uint8_t *p = data; len;) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, void *data, size_t len)
{
	for (uint8_t *p = data; len;) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int give(int fd, uint64_t bytes, uint64_t seed)
{
	uint64_t buf[WORDS];

	for (uint64_t at = 0; at < bytes / 8;) {
		size_t words = bytes / 8 - at < WORDS ? (size_t)(bytes / 8 - at) : WORDS;

		pattern_fill(buf, words, at, seed);
		if (write_all(fd, buf, words * 8))
			return -1;
		at += words;
	}
	return 0;
}

static int take(int fd, uint64_t bytes, uint64_t seed)
{
	uint64_t buf[WORDS] = {0};

	for (uint64_t at = 0; at < bytes / 8;) {
		size_t words = bytes / 8 - at < WORDS ? (size_t)(bytes / 8 - at) : WORDS;

		if (read_all(fd, buf, words * 8) || pattern_check(buf, words, at, seed) != words)
			return -1;
		at += words;
	}
	return 0;
}

int xfer_serve(int fd)
{
	struct head h;
	uint64_t done;

	if (read_all(fd, &h, sizeof(h)) || h.magic != MAGIC)
		return -1;
	if (!h.put)
		return give(fd, h.bytes, h.seed);
	done = take(fd, h.bytes, h.seed) == 0 ? h.bytes : 0;
	return write_all(fd, &done, sizeof(done)) || !done ? -1 : 0;
}

int xfer_put(int fd, uint64_t bytes)
{
	struct head h = {.magic = MAGIC, .put = 1, .bytes = bytes, .seed = bytes ^ MAGIC};
	uint64_t done = 0;

	if (write_all(fd, &h, sizeof(h)) || give(fd, bytes, h.seed))
		return -1;
	return read_all(fd, &done, sizeof(done)) || done != bytes ? -1 : 0;
}

int xfer_get(int fd, uint64_t bytes)
{
	struct head h = {.magic = MAGIC, .bytes = bytes, .seed = ~bytes};

	return write_all(fd, &h, sizeof(h)) || take(fd, bytes, h.seed) ? -1 : 0;
}

int xfer_connect(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *at = NULL;
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &at))
		return -1;
	for (unsigned int tries = 0; tries < 100; tries++) {
		fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || connect(fd, at->ai_addr, at->ai_addrlen) == 0)
			break;
		close(fd);
		fd = -1;
		(void)usleep(100000);
	}
	freeaddrinfo(at);
	return fd;
}

int xfer_listen(unsigned int port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) || listen(fd, 16)) {
		close(fd);
		return -1;
	}
	return fd;
}
