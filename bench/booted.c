/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a snapshot that wait in the pool: a create until the copy's first event, whatever its
 * size. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/conn.h"

#define COPIES	4u
#define REST_US 30000 /* the pool refills, and pages are given back */

static struct chaos_reply reply;

/* `vm` and `name` are as the operation has them. */
static uint64_t ask(struct chaos *c, enum chaos_op op, const char *vm, const char *name)
{
	uint64_t start = clock_ns();
	struct chaos_error e = {0};
	struct chaos_request rq;

	chaos_request_init(&rq, op);
	rq.vm = vm;
	rq.name = name;
	rq.flags = op == CHAOS_CREATE_FROM ? CHAOS_READY : 0;
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
	return clock_ns() - start;
}

static void one(struct chaos *c, const char *type, const char *memory, const char *size,
		unsigned int n)
{
	static struct samples ready;
	int kernel = open_noop();
	char metric[64];
	char flavor[64];

	ready.n = 0;
	(void)conn_create(c, "bench", type, memory, kernel, CHAOS_READY, NULL);
	(void)ask(c, CHAOS_SNAPSHOT, "bench", "booted");
	(void)conn_destroy(c, "bench");
	(void)snprintf(flavor, sizeof(flavor), "from=booted count=%u", COPIES);
	conn_set_pool(c, flavor);
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t t;

		conn_wait_ready(c, COPIES);
		(void)usleep(REST_US + i * 977u % 4000);
		t = ask(c, CHAOS_CREATE_FROM, "booted", "copy");
		conn_expect_way(&reply, "booted");
		(void)usleep(REST_US);
		(void)conn_destroy(c, "copy");
		if (i >= 2)
			samples_add(&ready, t);
	}
	conn_set_pool(c, "from=booted count=0");
	(void)ask(c, CHAOS_SNAPSHOT_RM, NULL, "booted");
	(void)usleep(REST_US);
	(void)close(kernel);
	(void)snprintf(metric, sizeof(metric), "booted_ready_%s_%s", type, size);
	samples_print(&ready, "booted", metric);
}

void bench_booted(unsigned int n)
{
	static const char *const types[] = {"pv", "pvh"};
	struct chaos *c = conn_open();

	for (size_t i = 0; i < 2; i++) {
		one(c, types[i], "256K", "256k", n);
		one(c, types[i], "4", "4m", n);
		one(c, types[i], "64", "64m", n);
	}
	chaos_close(c);
}

/* --- copies that share pages --- */

#define EDGE 20u /* copies that are compared: the first and the last */

static uint64_t with_pool(struct chaos *c, unsigned int n)
{
	char flavor[64];

	(void)snprintf(flavor, sizeof(flavor), "from=booted count=%u overcommit=yes", n);
	conn_set_pool(c, flavor);
	conn_wait_ready(c, n);
	return conn_free_kib(c);
}

static double mean(const struct samples *s, unsigned int from)
{
	uint64_t sum = 0;

	for (unsigned int i = from; i < from + EDGE; i++)
		sum += s->ns[i];
	return (double)sum / EDGE;
}

/* An echo, which has a handler for its first writes, unlike noop. */
static void many(struct chaos *c, const char *memory, const char *size, unsigned int n)
{
	static struct samples each;
	int kernel = open_echo();
	uint64_t few;
	uint64_t all;
	char name[64];

	each.n = 0;
	(void)conn_create(c, "bench", "pv", memory, kernel, CHAOS_READY, NULL);
	(void)ask(c, CHAOS_SNAPSHOT, "bench", "booted");
	(void)conn_destroy(c, "bench");
	few = with_pool(c, EDGE);
	all = with_pool(c, n);
	(void)snprintf(name, sizeof(name), "copies_waiting_pv_%s", size);
	number_print("shared", name, "KiB", (double)(few - all) / (n - EDGE));
	for (unsigned int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "copy-%u", i);
		samples_add(&each, ask(c, CHAOS_CREATE_FROM, "booted", name));
		conn_expect_way(&reply, "booted");
	}
	conn_set_pool(c, "from=booted count=0");
	(void)usleep(10 * REST_US);
	(void)snprintf(name, sizeof(name), "copies_running_pv_%s", size);
	number_print("shared", name, "KiB", (double)(few - conn_free_kib(c)) / (n - EDGE));
	(void)snprintf(name, sizeof(name), "copies_last_over_first_pv_%s", size);
	number_print("shared", name, "ratio", mean(&each, n - EDGE) / mean(&each, 0));
	(void)snprintf(name, sizeof(name), "copy_of_%u_pv_%s", n, size);
	samples_print(&each, "shared", name);
	for (unsigned int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "copy-%u", i);
		(void)conn_destroy(c, name);
	}
	(void)ask(c, CHAOS_SNAPSHOT_RM, NULL, "booted");
	(void)close(kernel);
}

void bench_shared(unsigned int n)
{
	struct chaos *c = conn_open();

	many(c, "256K", "256k", n < 20 ? 100 : 1000);
	many(c, "64", "64m", n < 20 ? 100 : 1000);
	chaos_close(c);
}

/* --- a Linux --- */

#define DAYTIME	     13
#define LINUX_SHELLS 2u
#define LINUX_REST_S 1

/* Connects to a copy, and reads its line. */
static void hear(const char *address)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(DAYTIME)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char line[256];
	char ip[32];

	(void)snprintf(ip, sizeof(ip), "%.*s", (int)strcspn(address, "/"), address);
	if (fd < 0 || inet_pton(AF_INET, ip, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    read(fd, line, sizeof(line)) < 5 || memcmp(line, "Linux", 5) != 0)
		die("no line from %s", address);
	(void)close(fd);
}

/* A flavor from=booted that is there: until the answer, and until that of a copy over TCP. */
void bench_bootedlinux(unsigned int n)
{
	static struct samples answer;
	static struct samples tcp;
	struct chaos *c = conn_open();

	for (unsigned int i = 0; i < n + 1; i++) {
		struct chaos_device d;
		uint64_t start;
		uint64_t t;

		conn_wait_ready(c, LINUX_SHELLS);
		(void)sleep(LINUX_REST_S);
		start = clock_ns();
		t = ask(c, CHAOS_CREATE_FROM, "booted", "copy");
		conn_expect_way(&reply, "booted");
		if (chaos_device(&reply, 0, &d) < 0)
			die("the answer names no device");
		hear(d.ip);
		if (i > 0) {
			samples_add(&answer, t);
			samples_add(&tcp, clock_ns() - start);
		}
		(void)conn_destroy(c, "copy");
	}
	samples_print(&answer, "bootedlinux", "booted_linux_answer_pvh_128m");
	samples_print(&tcp, "bootedlinux", "booted_linux_tcp_pvh_128m");
	chaos_close(c);
}
