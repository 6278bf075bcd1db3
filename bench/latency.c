/* SPDX-License-Identifier: BSD-3-Clause */
/* Warm, shell and cold creates over an open connection, each on a pool that has refilled. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/conn.h"
#include "split-toolstack/protocol/client.h"

#define REFILL_US 30000
#define TICK_US	  4000 /* of dom0's kernel */
/* Shells that wait paused: what a create from them costs does not depend on the image. */
#define PAUSED_NOOP " gate=no image=" CHAOS_GUEST_DIR "/noop"

/* Until the pool has refilled, `times` as long as it takes; never the same time twice in a row: a
 * tick falls into one create or another, not into all of one kind. */
static void refill(unsigned int times)
{
	static unsigned int n;

	(void)usleep(REFILL_US * times + n++ * 977u % (TICK_US + 1));
}

static void set_pool(struct chaos *c, const char *type, const char *more, unsigned int count)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "type=%s memory=4 count=%u%s", type, count, more);
	conn_set_pool(c, text);
}

static void one_way(struct chaos *c, const char *type, const char *way, unsigned int n)
{
	static struct samples ready;
	static struct samples end;
	int kernel = open_noop();
	char metric[64];

	ready.n = end.n = 0;
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t t = conn_create(c, "bench", type, "4", kernel, CHAOS_READY, way);
		uint64_t d;

		refill(1);
		d = conn_destroy(c, "bench");
		refill(1);
		if (i < 2)
			continue;
		samples_add(&ready, t);
		samples_add(&end, d);
	}
	(void)close(kernel);
	(void)snprintf(metric, sizeof(metric), "%s_ready_%s_4m", way, type);
	samples_print(&ready, "latency", metric);
	(void)snprintf(metric, sizeof(metric), "%s_destroy_%s_4m", way, type);
	samples_print(&end, "latency", metric);
}

/* What libchaos adds to a warm create over what the frames alone cost. */
static void beside_bare(struct chaos *c, const char *type, unsigned int n)
{
	static struct samples ready[2];
	int kernel = open_noop();
	struct client without;
	size_t middle = n / 2;
	char metric[64];

	bare_open(&without);
	ready[0].n = ready[1].n = 0;
	for (unsigned int i = 0; i < 2 * (n + 2); i++) {
		uint64_t t = i % 2 ? conn_create(c, "bench", type, "4", kernel, CHAOS_READY, "warm")
				   : bare_create(&without, type, kernel, "warm");

		refill(1);
		(void)conn_destroy(c, "bench");
		refill(1);
		if (i >= 4)
			samples_add(&ready[i % 2], t);
	}
	client_close(&without);
	(void)close(kernel);
	(void)snprintf(metric, sizeof(metric), "bare_ready_%s_4m", type);
	samples_print(&ready[0], "latency", metric);
	samples_sort(&ready[1]);
	(void)snprintf(metric, sizeof(metric), "libchaos_over_bare_%s", type);
	number_print("latency", metric, "ratio",
		     (double)ready[1].ns[middle] / (double)ready[0].ns[middle]);
}

/* Over HTTP, and as a command: what a warm hit costs there. */
static void other_ways(struct chaos *c, const char *type, unsigned int n)
{
	static struct samples http;
	static struct samples cmd;
	const char *const argv[] = {
		"chaos",  "create", "-q",	"--kernel", CHAOS_GUEST_DIR "/noop",
		"--type", type,	    "--memory", "4",	    "--name",
		"bench",  NULL};
	int fd = http_open();
	char metric[64];

	http.n = cmd.n = 0;
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t t = http_create(fd, type);

		refill(1);
		(void)conn_destroy(c, "bench");
		refill(1);
		if (i >= 2)
			samples_add(&http, t);
		t = spawn_timed(argv);
		refill(1);
		(void)conn_destroy(c, "bench");
		refill(1);
		if (i >= 2)
			samples_add(&cmd, t);
	}
	(void)close(fd);
	(void)snprintf(metric, sizeof(metric), "warm_http_%s_4m", type);
	samples_print(&http, "latency", metric);
	(void)snprintf(metric, sizeof(metric), "warm_cmd_%s_4m", type);
	samples_print(&cmd, "latency", metric);
}

/* The reply does not wait for the memory: a small and a large VM, in turns. */
static void destroy_sizes(struct chaos *c, unsigned int n)
{
	static struct samples end[2];
	int kernel = open_noop();

	end[0].n = end[1].n = 0;
	for (unsigned int i = 0; i < 2 * n; i++) {
		(void)conn_create(c, "bench", "pv", i % 2 ? "256" : "4", kernel, CHAOS_READY,
				  "cold");
		refill(10);
		samples_add(&end[i % 2], conn_destroy(c, "bench"));
		refill(10);
	}
	(void)close(kernel);
	samples_print(&end[0], "latency", "destroy_pv_4m");
	samples_print(&end[1], "latency", "destroy_pv_256m");
}

/* Warm hits while the worker gives the memory of a large VM back. */
static void beside_destroy(struct chaos *c, const char *memory, const char *size, unsigned int n)
{
	static struct samples ready;
	int kernel = open_noop();
	unsigned int missed = 0;
	char metric[64];

	ready.n = 0;
	while (ready.n < n && missed < n) {
		(void)conn_create(c, "large", "pv", memory, kernel, CHAOS_READY, "cold");
		refill(10);
		(void)conn_destroy(c, "large");
		for (unsigned int i = 0; i < 8 && ready.n < n; i++) {
			uint64_t t = conn_create(c, "bench", "pv", "4", kernel, CHAOS_READY, NULL);

			if (conn_was_warm())
				samples_add(&ready, t);
			else
				missed++;
			(void)conn_destroy(c, "bench");
			/* A shell that is being made would hold up the next one. */
			refill(1);
		}
		refill(20);
	}
	(void)close(kernel);
	(void)snprintf(metric, sizeof(metric), "warm_ready_beside_destroy_%s", size);
	samples_print(&ready, "latency", metric);
	(void)snprintf(metric, sizeof(metric), "not_warm_beside_destroy_%s", size);
	number_print("latency", metric, "1", missed);
}

void bench_latency(unsigned int n)
{
	static const char *const types[] = {"pv", "pvh"};
	static const char gated[] = " image=" CHAOS_GUEST_DIR "/noop";
	struct chaos *c = conn_open();
	for (size_t i = 0; i < 2; i++) {
		one_way(c, types[i], "cold", n);
		set_pool(c, types[i], "", 4);
		refill(10);
		one_way(c, types[i], "shell", n);
		set_pool(c, types[i], "", 0);
		set_pool(c, types[i], gated, 4);
		refill(10);
		one_way(c, types[i], "gated", n);
		set_pool(c, types[i], gated, 0);
		set_pool(c, types[i], PAUSED_NOOP, 4);
		refill(10);
		one_way(c, types[i], "warm", n);
		beside_bare(c, types[i], n);
		other_ways(c, types[i], n);
		if (i == 0)
			beside_destroy(c, "1024", "1g", n / 4 + 8);
		set_pool(c, types[i], PAUSED_NOOP, 0);
	}
	destroy_sizes(c, n / 10 + 5);
	chaos_close(c);
}

/* Warm creates beside destroys of several sizes: the worst of them says what a hypercall holds up.
 */
void bench_tails(unsigned int n)
{
	static const char warm[] = PAUSED_NOOP;
	struct chaos *c = conn_open();

	set_pool(c, "pv", warm, 4);
	refill(10);
	beside_destroy(c, "256", "256m", n);
	beside_destroy(c, "1024", "1g", n);
	beside_destroy(c, "3072", "3g", n);
	set_pool(c, "pv", warm, 0);
	chaos_close(c);
}

/* Warm creates alone; the metric is named by the environment, so that a script can put load beside
 * some of them. */
void bench_warm(unsigned int n)
{
	static const char flavor[] = PAUSED_NOOP;
	static struct samples ready;
	const char *label = getenv("CHAOS_BENCH_LABEL");
	int kernel = open_noop();
	struct chaos *c = conn_open();
	char metric[64];
	set_pool(c, "pv", flavor, 4);
	refill(10);
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t t = conn_create(c, "bench", "pv", "4", kernel, CHAOS_READY, NULL);

		refill(1);
		(void)conn_destroy(c, "bench");
		refill(1);
		if (i >= 2)
			samples_add(&ready, t);
	}
	(void)close(kernel);
	chaos_close(c);
	(void)snprintf(metric, sizeof(metric), "warm_%s", label ? label : "alone");
	samples_print(&ready, "load", metric);
}
