/* SPDX-License-Identifier: BSD-3-Clause */
/* Moves bytes between guest and dom0, over TCP or to a disk, checks them and says how long it took.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"

#define CHUNK	 65536
#define DISK_MAX (1 << 20)
#define HEAR_S	 300

static const char usage[] =
	"usage: traffic serve PORT                 answers the three below\n"
	"       traffic send|recv HOST PORT BYTES  to or from it; with \"check\" behind, verified\n"
	"       traffic ping HOST PORT COUNT       one byte there and back, COUNT times\n"
	"       traffic tell HOST PORT             its input, as one UDP datagram\n"
	"       traffic hear PORT COUNT            waits for datagrams, prints when each came (ns "
	"since 1970) and what it says\n"
	"       traffic fill|check FILE BYTES BLOCK SEED   writes or verifies a pattern "
	"(O_DIRECT)\n"
	"       traffic read|write FILE BYTES BLOCK [random]   in order or not (O_DIRECT)\n";

static uint8_t buf[DISK_MAX] __attribute__((aligned(4096)));
static uint8_t want[DISK_MAX];

struct order {
	char kind; /* 's', 'r', 'p' as the client sees it; upper case: verified */
	char zero[7];
	uint64_t n;
};

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The pattern at a place: no two 8-byte words of it are equal. */
static void pattern(uint8_t *to, uint64_t at, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = (at + i + seed) * 0x9e3779b97f4a7c15u;

		memcpy(to + i, &v, n - i < 8 ? n - i : 8);
	}
}

static void get_all(int fd, void *to, size_t n)
{
	uint8_t *p = to;

	while (n > 0) {
		ssize_t got = read(fd, p, n);

		if (got <= 0)
			die("read");
		p += got;
		n -= (size_t)got;
	}
}

static void put_all(int fd, const void *from, size_t n)
{
	const uint8_t *p = from;

	while (n > 0) {
		ssize_t got = write(fd, p, n);

		if (got <= 0)
			die("write");
		p += got;
		n -= (size_t)got;
	}
}

static void source(int fd, uint64_t n, int verified)
{
	for (uint64_t at = 0; at < n;) {
		size_t part = n - at < CHUNK ? (size_t)(n - at) : CHUNK;

		if (verified)
			pattern(buf, at, part, 0);
		put_all(fd, buf, part);
		at += part;
	}
}

static void sink(int fd, uint64_t n, int verified)
{
	for (uint64_t at = 0; at < n;) {
		size_t part = n - at < CHUNK ? (size_t)(n - at) : CHUNK;

		if (!verified) {
			ssize_t got = read(fd, buf, part);

			if (got <= 0)
				die("read");
			at += (uint64_t)got;
			continue;
		}
		get_all(fd, buf, part);
		pattern(want, at, part, 0);
		if (memcmp(buf, want, part) != 0) {
			(void)fprintf(stderr, "traffic: wrong bytes near %llu\n",
				      (unsigned long long)at);
			exit(1);
		}
		at += part;
	}
}

static void answer(int fd)
{
	struct order o;

	get_all(fd, &o, sizeof(o));
	switch (o.kind) {
	case 's':
	case 'S':
		sink(fd, o.n, o.kind == 'S');
		put_all(fd, "k", 1);
		break;
	case 'r':
	case 'R':
		source(fd, o.n, o.kind == 'R');
		break;
	default:
		for (; o.n > 0; o.n--) {
			get_all(fd, buf, 1);
			put_all(fd, buf, 1);
		}
		break;
	}
	exit(0);
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	a.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (host && inet_aton(host, &a.sin_addr) == 0) {
		errno = EINVAL;
		die(host);
	}
	return a;
}

static int serve(const char *port)
{
	struct sockaddr_in a = address(NULL, port);
	int on = 1;
	int s = socket(AF_INET, SOCK_STREAM, 0);

	(void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s, (struct sockaddr *)(void *)&a, sizeof(a)) < 0 || listen(s, 16) < 0)
		die("listen");
	for (;;) {
		int fd = accept(s, NULL, NULL);

		if (fd < 0)
			continue;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (fork() == 0)
			answer(fd);
		(void)close(fd);
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void ping(int fd, uint64_t n)
{
	uint64_t *ns = calloc(n + 1, sizeof(*ns));

	for (uint64_t i = 0; ns && i < n; i++) {
		uint64_t start = clock_ns();

		put_all(fd, "p", 1);
		get_all(fd, buf, 1);
		ns[i] = clock_ns() - start;
	}
	if (ns && n > 0) {
		uint64_t middle = n / 2;

		qsort(ns, n, sizeof(*ns), by_size);
		(void)printf("ping %llu median_us %.1f\n", (unsigned long long)n,
			     (double)ns[middle] / 1e3);
	}
	free(ns);
}

static int talk(int argc, char **argv)
{
	struct sockaddr_in a = address(argv[2], argv[3]);
	struct order o = {.kind = argv[1][0], .n = strtoull(argv[4], NULL, 10)};
	int verified = argc == 6;
	int on = 1;
	int s = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t start;

	if (connect(s, (struct sockaddr *)(void *)&a, sizeof(a)) < 0)
		die("connect");
	(void)setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (verified)
		o.kind = (char)(o.kind - 'a' + 'A');
	put_all(s, &o, sizeof(o));
	if (o.kind == 'p') {
		ping(s, o.n);
		return 0;
	}
	start = clock_ns();
	if (argv[1][0] == 's') {
		source(s, o.n, verified);
		get_all(s, buf, 1);
	} else {
		sink(s, o.n, verified);
	}
	(void)printf("%s %llu mbit_s %.0f\n", argv[1], (unsigned long long)o.n,
		     (double)o.n * 8e3 / (double)(clock_ns() - start));
	return 0;
}

static int tell(const char *host, const char *port)
{
	struct sockaddr_in a = address(host, port);
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	ssize_t n = read(0, buf, 1400); /* a pipe or file of one short text */

	if (n < 0 || sendto(s, buf, (size_t)n, 0, (struct sockaddr *)(void *)&a, sizeof(a)) != n)
		die("tell");
	return 0;
}

static int hear(const char *port, const char *count)
{
	struct sockaddr_in a = address(NULL, port);
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(s, (struct sockaddr *)(void *)&a, sizeof(a)) < 0)
		die("bind");
	(void)alarm(HEAR_S);
	for (unsigned long i = strtoul(count, NULL, 10); i > 0; i--) {
		struct timespec now;
		ssize_t n = read(s, buf, sizeof(buf) - 1);

		if (n < 0)
			die("hear");
		(void)clock_gettime(CLOCK_REALTIME, &now);
		buf[n] = '\0';
		(void)printf("%lld%09ld\n%s", (long long)now.tv_sec, now.tv_nsec, (char *)buf);
		(void)fflush(stdout);
	}
	return 0;
}

static int disk(int argc, char **argv)
{
	int writes = argv[1][0] == 'f' || argv[1][0] == 'w';
	int fd = open(argv[2], (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
	uint64_t bytes = strtoull(argv[3], NULL, 10);
	uint64_t block = strtoull(argv[4], NULL, 10);
	uint64_t seed = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
	int random = argc > 5 && strcmp(argv[5], "random") == 0;
	uint64_t start = clock_ns();
	uint64_t n = 0;

	if (fd < 0 || block == 0 || block > DISK_MAX)
		die(argv[2]);
	for (uint64_t at = 0; at < bytes; at += block, n++) {
		uint64_t to = random ? (at / block * 2654435761u % (bytes / block)) * block : at;

		if (argv[1][0] == 'f')
			pattern(buf, to, block, seed);
		if ((writes ? pwrite(fd, buf, block, (off_t)to)
			    : pread(fd, buf, block, (off_t)to)) != (ssize_t)block)
			die(argv[2]);
		if (argv[1][0] != 'c')
			continue;
		pattern(want, to, block, seed);
		if (memcmp(buf, want, block) != 0) {
			(void)fprintf(stderr, "traffic: wrong bytes in the block at %llu\n",
				      (unsigned long long)to);
			return 1;
		}
	}
	if (writes && fsync(fd) < 0)
		die("fsync");
	start = clock_ns() - start;
	(void)printf("%s %s %llu mb_s %.1f us_each %.1f\n", argv[1], argc > 5 ? argv[5] : "-",
		     (unsigned long long)bytes, (double)bytes * 1e3 / (double)start,
		     (double)start / 1e3 / (double)n);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc == 4 && strcmp(argv[1], "tell") == 0)
		return tell(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "hear") == 0)
		return hear(argv[2], argv[3]);
	if (argc >= 5 && (strcmp(argv[1], "send") == 0 || strcmp(argv[1], "recv") == 0 ||
			  strcmp(argv[1], "ping") == 0))
		return talk(argc, argv);
	if (argc >= 5 && (strcmp(argv[1], "fill") == 0 || strcmp(argv[1], "check") == 0 ||
			  strcmp(argv[1], "read") == 0 || strcmp(argv[1], "write") == 0))
		return disk(argc, argv);
	(void)fputs(usage, stderr);
	return 2;
}
