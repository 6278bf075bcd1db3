/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM of 4 MiB to another host, which is the same one: from the request until it runs there, over
 * a socket and with the pool's shells; by libchaos, and by the two commands. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/conn.h"

#define REST_US 30000 /* the pool refills, and pages are given back */

static struct chaos_reply reply;

static uint32_t ask(struct chaos *c, enum chaos_op op, int file, const char *name, uint32_t tag)
{
	struct chaos_error e = {0};
	struct chaos_request rq;
	uint32_t got;

	chaos_request_init(&rq, op);
	rq.vm = op == CHAOS_SAVE || op == CHAOS_MOVED ? name : NULL;
	rq.name = op == CHAOS_RECEIVE ? name : NULL;
	rq.file_fd = file;
	rq.tag = tag;
	check(chaos_send(c, &rq, &got, &e), &e);
	return got;
}

/* Until one reply to each of so many requests has come. */
static void await(struct chaos *c, unsigned int n, uint64_t *stopped)
{
	while (n--) {
		struct chaos_error e = {0};

		check(chaos_receive(c, &reply, -1, &e), &e);
		if (reply.error)
			die("%s", reply.message);
		if (stopped && reply.has_saved && reply.saved.stopped_ns)
			*stopped = reply.saved.stopped_ns;
	}
}

/* *down: from the pause at the source until it runs at the target. */
static uint64_t migrate(struct chaos *c, uint64_t *down)
{
	uint64_t start = clock_ns(), stopped = 0, until, over;
	uint32_t out, in;
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) < 0)
		die("socketpair: %s", strerror(errno));
	in = ask(c, CHAOS_RECEIVE, s[1], "copy", 0);
	out = ask(c, CHAOS_SAVE, s[0], "bench", 0);
	(void)close(s[0]);
	(void)close(s[1]);
	await(c, 1, &stopped); /* one end or the other one */
	until = clock_ns();
	await(c, 1, stopped ? NULL : &stopped);
	(void)ask(c, CHAOS_MOVE, -1, NULL, out);
	await(c, 1, NULL);
	(void)ask(c, CHAOS_RECEIVED, -1, NULL, in);
	await(c, 1, NULL);
	over = clock_ns();
	*down = stopped + over - until;
	(void)ask(c, CHAOS_MOVED, -1, "bench", 0);
	await(c, 1, NULL);
	return over - start;
}

static uint64_t by_commands(void)
{
	static const char *const argv[] = {"chaos",	"migrate",
					   "--command", "exec chaos migrate-receive --name copy",
					   "bench",	NULL};

	return spawn_timed(argv);
}

static void print(struct samples *s, const char *what, const char *type)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s_%s_4m", what, type);
	samples_print(s, "migrate", metric);
}

static void one_type(struct chaos *c, const char *type, unsigned int n)
{
	static struct samples total, hole, commands;
	int kernel = open_noop();

	total.n = hole.n = commands.n = 0;
	for (unsigned int i = 0; i < 2 * n + 4; i++) {
		uint64_t down = 0, t;

		(void)conn_create(c, "bench", type, "4", kernel, CHAOS_READY, NULL);
		(void)usleep(REST_US);
		t = i & 1 ? by_commands() : migrate(c, &down);
		(void)conn_destroy(c, "copy");
		(void)usleep(REST_US);
		if (i < 4) /* warms the caches */
			continue;
		samples_add(i & 1 ? &commands : &total, t);
		if (!(i & 1))
			samples_add(&hole, down);
	}
	(void)close(kernel);
	print(&total, "migrate", type);
	print(&hole, "migrate_down", type);
	print(&commands, "migrate_cmd", type);
}

void bench_migrate(unsigned int n)
{
	conn_each_type(one_type, n);
}
