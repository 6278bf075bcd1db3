/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a running noop into shells of the pool, over an open connection: until the answer, and
 * until the copy's first event; the pause of the VM; and many of one moment. And a noop set back to
 * a snapshot of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/conn.h"

#define REST_US 30000 /* the pool refills, and pages are given back */
#define EDGE	20u   /* copies that are compared: the first and the last */

static const struct size {
	const char *memory, *name;
} sizes[] = {{"256K", "256k"}, {"4", "4m"}};
static const char *const types[] = {"pv", "pvh"};

static struct chaos_reply reply;

static void pool(struct chaos *c, const char *type, const char *memory, unsigned int count)
{
	char flavor[64];

	(void)snprintf(flavor, sizeof(flavor), "type=%s memory=%s count=%u", type, memory, count);
	conn_set_pool(c, flavor);
	conn_wait_ready(c, count);
}

static uint64_t branch(struct chaos *c, uint32_t flags, uint64_t *stopped)
{
	struct chaos_error e = {0};
	struct chaos_request rq;
	uint64_t start = clock_ns();

	chaos_request_init(&rq, CHAOS_BRANCH);
	rq.vm = "bench";
	rq.name = "copy";
	rq.flags = flags;
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
	*stopped = reply.saved.stopped_ns;
	return clock_ns() - start;
}

static void print(struct samples *s, const char *what, const char *type, const struct size *z)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s_%s_%s", what, type, z->name);
	samples_print(s, "branch", metric);
}

static void one(struct chaos *c, const char *type, const struct size *z, unsigned int n)
{
	static struct samples pause;
	static struct samples answer;
	static struct samples first;
	int kernel = open_noop();

	pause.n = answer.n = first.n = 0;
	pool(c, type, z->memory, 4);
	(void)conn_create(c, "bench", type, z->memory, kernel, CHAOS_READY, NULL);
	(void)usleep(REST_US);
	for (unsigned int i = 0; i < 2 * n + 4; i++) {
		uint64_t stopped;
		uint64_t t = branch(c, i % 2 ? CHAOS_READY : 0, &stopped);

		(void)usleep(REST_US);
		(void)conn_destroy(c, "copy");
		(void)usleep(REST_US);
		if (i < 4) /* the first ones warm the caches */
			continue;
		samples_add(i % 2 ? &first : &answer, t);
		samples_add(&pause, stopped);
	}
	(void)conn_destroy(c, "bench");
	(void)close(kernel);
	pool(c, type, z->memory, 0);
	print(&pause, "branch_pause", type, z);
	print(&answer, "branch", type, z);
	print(&first, "branch_event", type, z);
}

/* --- back to a snapshot --- */

static uint64_t call(struct chaos *c, enum chaos_op op, const char *vm, const char *name)
{
	struct chaos_error e = {0};
	struct chaos_request rq;
	uint64_t start = clock_ns();

	chaos_request_init(&rq, op);
	rq.vm = vm;
	rq.name = name;
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
	return clock_ns() - start;
}

static void rollback(struct chaos *c, const char *type, const struct size *z, unsigned int n)
{
	static struct samples pause;
	static struct samples answer;
	int kernel = open_noop();

	pause.n = answer.n = 0;
	(void)conn_create(c, "bench", type, z->memory, kernel, CHAOS_READY, NULL);
	(void)call(c, CHAOS_SNAPSHOT, "bench", "bench-snapshot");
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t t;

		(void)usleep(REST_US);
		t = call(c, CHAOS_ROLLBACK, "bench", NULL);
		if (i < 2)
			continue;
		samples_add(&answer, t);
		samples_add(&pause, reply.saved.stopped_ns);
	}
	(void)conn_destroy(c, "bench");
	(void)call(c, CHAOS_SNAPSHOT_RM, NULL, "bench-snapshot");
	(void)close(kernel);
	print(&pause, "rollback_pause", type, z);
	print(&answer, "rollback", type, z);
}

/* --- many --- */

struct many {
	uint64_t last;
	struct samples *each;
};

static int one_more(const struct chaos_reply *r, void *arg)
{
	struct many *m = arg;
	uint64_t now = clock_ns();

	if (r->has_vm)
		samples_add(m->each, now - m->last);
	m->last = now;
	return 0;
}

static double mean(const struct samples *s, unsigned int from, unsigned int n)
{
	uint64_t sum = 0;

	for (unsigned int i = from; i < from + n; i++)
		sum += s->ns[i];
	return (double)sum / n;
}

static void many(struct chaos *c, const char *type, unsigned int n)
{
	static struct samples each;
	struct chaos_error e = {0};
	struct chaos_request rq;
	struct many m = {.each = &each};
	int kernel = open_noop();
	char metric[64];

	each.n = 0;
	pool(c, type, "256K", n);
	(void)conn_create(c, "bench", type, "256K", kernel, CHAOS_READY, NULL);
	(void)usleep(REST_US);
	chaos_request_init(&rq, CHAOS_BRANCH);
	rq.vm = "bench";
	rq.count = n;
	m.last = clock_ns();
	check(chaos_call(c, &rq, &reply, one_more, &m, &e), &e);
	if (each.n != n)
		die("%u copies of %u", each.n, n);
	(void)snprintf(metric, sizeof(metric), "branch_last_over_first_%s", type);
	number_print("branch", metric, "ratio", mean(&each, n - EDGE, EDGE) / mean(&each, 1, EDGE));
	(void)snprintf(metric, sizeof(metric), "branch_of_%u_%s", n, type);
	samples_print(&each, "branch", metric);
	for (unsigned int i = 0; i < n; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "bench-%u", i + 1);
		(void)conn_destroy(c, name);
	}
	(void)conn_destroy(c, "bench");
	(void)close(kernel);
	pool(c, type, "256K", 0);
}

void bench_branch(unsigned int n)
{
	struct chaos *c = conn_open();

	for (size_t i = 0; i < 2; i++)
		for (size_t z = 0; z < 2; z++)
			one(c, types[i], &sizes[z], n);
	for (size_t i = 0; i < 2; i++)
		for (size_t z = 0; z < 2; z++)
			rollback(c, types[i], &sizes[z], n);
	for (size_t i = 0; i < 2; i++)
		many(c, types[i], n < 10 ? 100 : 1000);
	chaos_close(c);
}
