/* SPDX-License-Identifier: BSD-3-Clause */
/* The small kernel of containers' VMs (tools/kernel): from the request of a VM until its process 1
 * runs, whose line reaches a client of its console. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/conn.h"

#define MEMORY	"64"
#define FOLDER	"/run/chaos-bench-kernel" /* made by bench/run */
#define LINE	"init runs"		  /* bench/init.c */
#define REST_US 50000			  /* pages are given back */

struct output {
	char text[65536];
	size_t len;
};

static struct chaos_reply reply;

static void create(struct chaos *c, const char *type)
{
	char set_type[16];
	const char *const set[] = {"name=bench",
				   "kernel=" FOLDER "/vmlinuz",
				   "ramdisk=" FOLDER "/initrd",
				   "memory=" MEMORY,
				   "cmdline=console=hvc0 quiet",
				   "on_crash=destroy",
				   set_type,
				   NULL};
	struct chaos_error e = {0};
	struct chaos_request rq;

	(void)snprintf(set_type, sizeof(set_type), "type=%s", type);
	chaos_request_init(&rq, CHAOS_CREATE);
	rq.set = set;
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
	conn_expect_way(&reply, "cold");
}

/* Returns an error, which ends the request, when the line is there. */
static int until_line(const struct chaos_reply *r, void *arg)
{
	struct output *o = arg;

	if (r->len > sizeof(o->text) - 1 - o->len)
		die("the kernel prints more than %zu bytes", sizeof(o->text));
	if (r->len)
		memcpy(o->text + o->len, r->data, r->len);
	o->len += r->len;
	o->text[o->len] = '\0';
	return strstr(o->text, LINE) ? -ECANCELED : 0;
}

static void wait_for_init(void)
{
	static struct output o;
	struct chaos *c = conn_open();
	struct chaos_error e = {0};
	struct chaos_request rq;
	int rc;

	o.len = 0;
	chaos_request_init(&rq, CHAOS_CONSOLE);
	rq.vm = "bench";
	rq.flags = CHAOS_FOLLOW | CHAOS_LOG;
	rc = chaos_call(c, &rq, &reply, until_line, &o, &e);
	chaos_close(c);
	if (rc != -ECANCELED)
		die("no \"%s\" (%s); the kernel's output: %s", LINE, e.message, o.text);
}

static void one_type(struct chaos *c, const char *type, unsigned int n)
{
	static struct samples created;
	static struct samples init;
	char metric[64];

	created.n = init.n = 0;
	for (unsigned int i = 0; i < n + 1; i++) {
		uint64_t start;
		uint64_t t;

		(void)usleep(REST_US);
		start = clock_ns();
		create(c, type);
		t = clock_ns();
		wait_for_init();
		if (i >= 1) { /* the first one unpacks the kernel */
			samples_add(&created, t - start);
			samples_add(&init, clock_ns() - start);
		}
		(void)conn_destroy(c, "bench");
	}
	(void)snprintf(metric, sizeof(metric), "kernel_created_%s_" MEMORY "m", type);
	samples_print(&created, "kernel", metric);
	(void)snprintf(metric, sizeof(metric), "kernel_init_%s_" MEMORY "m", type);
	samples_print(&init, "kernel", metric);
}

void bench_kernel(unsigned int n)
{
	struct chaos *c = conn_open();

	one_type(c, "pv", n);
	one_type(c, "pvh", n);
	chaos_close(c);
}
