/* SPDX-License-Identifier: BSD-3-Clause */
/* Cold creates and destroys through a running chaosd: as a command, and over an open connection. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "split-toolstack/client.h"

/* Between samples the worker gives the memory of the last VM back, and the guest goes idle. */
#define SETTLE_US 20000

static void check(int rc, const struct err *e)
{
	if (rc < 0)
		die("%s", err_msg(e));
}

/* One create over the connection; returns when the daemon answers. */
static uint64_t create(struct client *c, const char *type, const char *memory, int kernel,
		       uint32_t flags)
{
	uint64_t start = clock_ns();
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;
	char text[64];

	client_begin(c, &w, PROTO_REQ_CREATE);
	wire_u32(&w, PROTO_FLAGS, flags);
	wire_text(&w, PROTO_SET, "name=bench");
	wire_text(&w, PROTO_SET, "kernel=" CHAOS_GUEST_DIR "/noop");
	(void)snprintf(text, sizeof(text), "type=%s", type);
	wire_text(&w, PROTO_SET, text);
	(void)snprintf(text, sizeof(text), "memory=%s", memory);
	wire_text(&w, PROTO_SET, text);
	wire_u32(&w, PROTO_KERNEL_FD, 0);
	check(client_send(c, &w, &kernel, 1, &e), &e);
	check(client_finish(c, &in, NULL, NULL, &e), &e);
	return clock_ns() - start;
}

static uint64_t destroy(struct client *c)
{
	uint64_t start = clock_ns();
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;

	client_begin(c, &w, PROTO_REQ_DESTROY);
	wire_text(&w, PROTO_WHAT, "bench");
	check(client_send(c, &w, NULL, 0, &e), &e);
	check(client_finish(c, &in, NULL, NULL, &e), &e);
	return clock_ns() - start;
}

static void print(struct samples *s, const char *what, const char *type, const char *size)
{
	char metric[64];

	(void)snprintf(metric, sizeof(metric), "%s_%s_%s", what, type, size);
	samples_print(s, "boot", metric);
}

static void connection(struct client *c, const char *type, const char *memory, const char *size,
		       unsigned int n)
{
	static struct samples ready;
	static struct samples reply;
	static struct samples end;
	int kernel = open(CHAOS_GUEST_DIR "/noop", O_RDONLY | O_CLOEXEC);

	if (kernel < 0)
		die("%s/noop: %s", CHAOS_GUEST_DIR, strerror(errno));
	ready.n = reply.n = end.n = 0;
	for (unsigned int i = 0; i < n + 2; i++) { /* two for the caches */
		uint64_t t = create(c, type, memory, kernel, PROTO_F_READY);
		uint64_t d;

		(void)usleep(SETTLE_US);
		d = destroy(c);
		(void)usleep(SETTLE_US);
		if (i >= 2) {
			samples_add(&ready, t);
			samples_add(&end, d);
		}
		t = create(c, type, memory, kernel, 0);
		(void)usleep(SETTLE_US);
		(void)destroy(c);
		(void)usleep(SETTLE_US);
		if (i >= 2)
			samples_add(&reply, t);
	}
	(void)close(kernel);
	print(&ready, "conn_ready", type, size);
	print(&reply, "conn_reply", type, size);
	print(&end, "conn_destroy", type, size);
}

static void command(struct client *c, const char *type, const char *memory, const char *size,
		    unsigned int n)
{
	static struct samples s;
	const char *const argv[] = {
		"chaos",  "create", "-q",	"--kernel", CHAOS_GUEST_DIR "/noop",
		"--type", type,	    "--memory", memory,	    "--name",
		"bench",  NULL};

	s.n = 0;
	for (unsigned int i = 0; i < n + 2; i++) {
		uint64_t t = spawn_timed(argv);

		(void)usleep(SETTLE_US);
		(void)destroy(c);
		(void)usleep(SETTLE_US);
		if (i >= 2)
			samples_add(&s, t);
	}
	print(&s, "chaos_cmd", type, size);
}

void bench_boot_chaos(unsigned int n)
{
	static const struct {
		const char *type, *memory, *size;
	} kinds[] = {{"pv", "256K", "256k"},
		     {"pvh", "256K", "256k"},
		     {"pv", "4", "4m"},
		     {"pvh", "4", "4m"}};
	struct client c;
	struct err e = {0};

	check(client_open(&c, NULL, &e), &e);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		connection(&c, kinds[i].type, kinds[i].memory, kinds[i].size, n);
		command(&c, kinds[i].type, kinds[i].memory, kinds[i].size, n);
	}
	client_close(&c);
}
