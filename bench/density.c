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

static uint64_t host_number(struct client *c, enum proto_id id)
{
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;

	client_begin(c, &w, PROTO_REQ_HOST);
	check(client_send(c, &w, NULL, 0, &e), &e);
	check(client_finish(c, &in, NULL, NULL, &e), &e);
	return wire_get_u64(&in, id, 0);
}

static uint64_t dom0_available_kib(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

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

/* Asks every guest to power off, some at a time, and counts those whose end is told. */
static unsigned int all_answer(struct client *c, unsigned int n)
{
	struct client events;
	unsigned int asked = 0;
	unsigned int ended = 0;
	unsigned int answered = 0;
	struct wire_out w;
	struct wire_in in;
	struct err e = {0};
	char name[32];

	check(client_open(&events, NULL, &e), &e);
	client_begin(&events, &w, PROTO_REQ_EVENTS);
	check(client_send(&events, &w, NULL, 0, &e), &e);
	while (ended < n) {
		struct wire_field f;
		struct wire_in vm;
		char text[16] = "";

		if (asked < n && asked - ended < AT_ONCE) {
			(void)snprintf(name, sizeof(name), "tiny%u", asked++);
			client_begin(c, &w, PROTO_REQ_SHUTDOWN);
			wire_text(&w, PROTO_WHAT, name);
			check(client_send(c, &w, NULL, 0, &e), &e);
			check(client_finish(c, &in, NULL, NULL, &e), &e);
			continue;
		}
		check(client_receive(&events, &in, &e), &e);
		if (!wire_get_text(&in, PROTO_EVENT, text, sizeof(text)) ||
		    (strcmp(text, "exited") != 0 && strcmp(text, "crashed") != 0))
			continue;
		ended++;
		if (wire_find(&in, PROTO_VM, &f) && wire_nested(&vm, &f) == 0 &&
		    wire_get_text(&vm, PROTO_REASON, text, sizeof(text)) &&
		    strcmp(text, "poweroff") == 0)
			answered++;
	}
	client_close(&events);
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
	struct client c;
	struct err e = {0};

	check(client_open(&c, NULL, &e), &e);
	(void)usleep(200000);
	free_kib = host_number(&c, PROTO_FREE_KIB);
	dom0_kib = dom0_available_kib();
	for (unsigned int i = 0; i < n; i++) {
		char name[32];
		uint64_t t;

		(void)snprintf(name, sizeof(name), "tiny%u", i);
		t = conn_create(&c, name, "pv", MEMORY, kernel, PROTO_F_READY, "cold");
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
	number_print("density", "host_memory", "KiB",
		     (double)(free_kib - host_number(&c, PROTO_FREE_KIB)));
	number_print("density", "dom0_memory_per_vm", "KiB",
		     ((double)dom0_kib - (double)dom0_available_kib()) / n);
	samples_print(&first, "density", "cold_first");
	samples_print(&last, "density", "cold_last");
	answered = all_answer(&c, n);
	number_print("density", "answered", "1", answered);
	if (answered != n)
		die("%u of %u guests answered", answered, n);
	client_close(&c);
	(void)close(kernel);
}
