/* SPDX-License-Identifier: BSD-3-Clause */
/* Density: as many tiny VMs as asked for, alive at once; then each has to answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/conn.h"

#define IDLE_US	 8000 /* what is made ahead is made in between */
#define MEMORY	 "128K"
#define EDGE_MAX 1000u
#define AT_ONCE	 32u

static struct chaos_reply reply;

/* What the kernel can give back (inodes, pages of files) is given back first: else the figure
 * depends on what ran before. */
static uint64_t dom0_available_kib(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];
	FILE *drop = fopen("/proc/sys/vm/drop_caches", "we");

	if (!drop || fputs("3\n", drop) < 0 || fclose(drop) != 0)
		die("/proc/sys/vm/drop_caches: cannot write");
	if (!f)
		die("/proc/meminfo: cannot read");
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "MemAvailable:", 13) == 0) {
			kib = strtoull(line + 13, NULL, 10);
			break;
		}
	(void)fclose(f);
	return kib;
}

static void ask_shutdown(struct chaos *c, unsigned int i)
{
	struct chaos_error e = {0};
	struct chaos_request rq;
	char name[32];

	(void)snprintf(name, sizeof(name), "tiny%u", i);
	chaos_request_init(&rq, CHAOS_SHUTDOWN);
	rq.vm = name;
	check(chaos_call(c, &rq, &reply, NULL, NULL, &e), &e);
}

/* Asks every guest to power off, some at a time, and counts those whose end is told. */
static unsigned int all_answer(struct chaos *c, unsigned int n)
{
	struct chaos *events = conn_open();
	struct chaos_error e = {0};
	struct chaos_request rq;
	unsigned int asked = 0;
	unsigned int ended = 0;
	unsigned int answered = 0;

	chaos_request_init(&rq, CHAOS_EVENTS);
	check(chaos_send(events, &rq, NULL, &e), &e);
	while (ended < n) {
		if (asked < n && asked - ended < AT_ONCE) {
			ask_shutdown(c, asked++);
			continue;
		}
		check(chaos_receive(events, &reply, -1, &e), &e);
		if (!reply.has_event ||
		    (strcmp(reply.event, "exited") != 0 && strcmp(reply.event, "crashed") != 0))
			continue;
		ended++;
		if (strcmp(reply.vm.reason, "poweroff") == 0)
			answered++;
	}
	chaos_close(events);
	return answered;
}

void bench_density(unsigned int n)
{
	static struct samples first;
	static struct samples last;
	static struct samples some;
	unsigned int edge = n / 10 < EDGE_MAX ? n / 10 : EDGE_MAX;
	int kernel = open_noop();
	uint64_t free_kib;
	uint64_t dom0_kib;
	unsigned int answered;
	struct chaos *c = conn_open();
	(void)usleep(200000);
	free_kib = conn_free_kib(c);
	dom0_kib = dom0_available_kib();
	for (unsigned int i = 0; i < n; i++) {
		char name[32];
		uint64_t t;

		(void)snprintf(name, sizeof(name), "tiny%u", i);
		t = conn_create(c, name, "pv", MEMORY, kernel, CHAOS_READY, "cold");
		(void)usleep(IDLE_US);
		if (i >= 2 && i < 2 + edge)
			samples_add(&first, t);
		if (i >= n - edge)
			samples_add(&last, t);
		samples_add(&some, t);
		if (some.n == 100) {
			series_print(&some, "density", i + 1);
			some.n = 0;
		}
	}
	(void)usleep(200000);
	number_print("density", "vms", "1", n);
	number_print("density", "host_memory", "KiB", (double)(free_kib - conn_free_kib(c)));
	number_print("density", "dom0_memory_per_vm", "KiB",
		     ((double)dom0_kib - (double)dom0_available_kib()) / n);
	samples_print(&first, "density", "cold_first");
	samples_print(&last, "density", "cold_last");
	answered = all_answer(c, n);
	number_print("density", "answered", "1", answered);
	if (answered != n)
		die("%u of %u guests answered", answered, n);
	chaos_close(c);
	(void)close(kernel);
}
