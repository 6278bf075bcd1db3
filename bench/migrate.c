/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM of 4 MiB to another host, which is the same one: from the request until it runs there, over
 * a socket and with the pool's shells; by libchaos, and by the two commands. PVH also while it
 * runs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/conn.h"

#define REST_US 30000 /* the pool refills, and pages are given back */

static struct chaos_reply reply;

static uint32_t flags; /* of those that have some */

static uint32_t ask(struct chaos *c, enum chaos_op op, int file, const char *name, uint32_t tag)
{
	struct chaos_error e = {0};
	struct chaos_request rq;
	uint32_t got;

	chaos_request_init(&rq, op);
	rq.vm = op == CHAOS_SAVE || op == CHAOS_MOVED ? name : NULL;
	rq.name = op == CHAOS_RECEIVE ? name : NULL;
	rq.flags = op == CHAOS_SAVE || op == CHAOS_RECEIVE ? flags : 0;
	rq.file_fd = file;
	rq.tag = tag;
	check(chaos_send(c, &rq, &got, &e), &e);
	return got;
}

/* Until one reply to each of so many requests has come. */
static void await(struct chaos *c, unsigned int n)
{
	while (n--) {
		struct chaos_error e = {0};

		check(chaos_receive(c, &reply, -1, &e), &e);
		if (reply.error)
			die("%s", reply.message);
	}
}

/* Until it is filled there and written here; *until: the first of the two. */
static void await_both(struct chaos *c, uint32_t out, uint32_t in, uint64_t *stopped,
		       uint64_t *until)
{
	uint32_t rounds = 0, arrived = 0, left = 2;

	while (left) {
		struct chaos_error e = {0};

		check(chaos_receive(c, &reply, -1, &e), &e);
		if (reply.error)
			die("%s", reply.message);
		if (reply.round) {
			rounds += reply.tag == out;
			arrived += reply.tag == in;
			if (rounds == arrived)
				(void)ask(c, CHAOS_ROUND, -1, NULL, out);
			continue;
		}
		if (reply.tag == out)
			*stopped = reply.saved.stopped_ns;
		if (left-- == 2)
			*until = clock_ns();
	}
}

/* *down: from the pause at the source until it runs at the target. */
static uint64_t migrate(struct chaos *c, uint64_t *down)
{
	uint64_t start = clock_ns(), stopped = 0, until = 0, over;
	uint32_t out, in;
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) < 0)
		die("socketpair: %s", strerror(errno));
	in = ask(c, CHAOS_RECEIVE, s[1], "copy", 0);
	out = ask(c, CHAOS_SAVE, s[0], "bench", 0);
	(void)close(s[0]);
	(void)close(s[1]);
	await_both(c, out, in, &stopped, &until);
	(void)ask(c, CHAOS_MOVE, -1, NULL, out);
	await(c, 1);
	(void)ask(c, CHAOS_RECEIVED, -1, NULL, in);
	await(c, 1);
	over = clock_ns();
	*down = stopped + over - until;
	(void)ask(c, CHAOS_MOVED, -1, "bench", 0);
	await(c, 1);
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
	static struct samples total[2], hole[2], commands;
	unsigned int ways = strcmp(type, "pvh") == 0 ? 3 : 2;
	int kernel = open_noop();

	commands.n = 0;
	for (int live = 0; live < 2; live++)
		total[live].n = hole[live].n = 0;
	for (unsigned int i = 0; i < ways * (n + 2); i++) {
		unsigned int way = i % ways; /* stopped, by commands, while it runs */
		uint64_t down = 0, t;

		flags = way == 2 ? CHAOS_LIVE : 0;

		(void)conn_create(c, "bench", type, "4", kernel, CHAOS_READY, NULL);
		(void)usleep(REST_US);
		t = way == 1 ? by_commands() : migrate(c, &down);
		(void)conn_destroy(c, "copy");
		(void)usleep(REST_US);
		if (i < 2 * ways) /* warms the caches */
			continue;
		samples_add(way == 1 ? &commands : &total[way / 2], t);
		if (way != 1)
			samples_add(&hole[way / 2], down);
	}
	(void)close(kernel);
	print(&total[0], "migrate", type);
	print(&hole[0], "migrate_down", type);
	print(&commands, "migrate_cmd", type);
	if (ways < 3)
		return;
	print(&total[1], "migrate_live", type);
	print(&hole[1], "migrate_live_down", type);
}

void bench_migrate(unsigned int n)
{
	conn_each_type(one_type, n);
}
