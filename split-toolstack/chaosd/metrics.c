/* SPDX-License-Identifier: BSD-3-Clause */
/* Histograms with fixed buckets, and gauges computed at each request. */
#include "split-toolstack/chaosd/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "split-toolstack/chaosd/feed.h"

/* Upper bounds in microseconds: from a warm create to a big destroy. */
static const uint32_t bound[] = {50,	100,   200,   500,    1000,   2000,   5000,
				 10000, 20000, 50000, 100000, 200000, 500000, 1000000};
#define BOUNDS (sizeof(bound) / sizeof(bound[0]))

struct histogram {
	uint64_t bucket[BOUNDS + 1];
	uint64_t n, sum_ns, failed;
};

static const char *const operation_name[] = {
#define OPERATION(name, fn, text) text,
	PROTO_REQUESTS(OPERATION)
#undef OPERATION
};
static struct histogram operation[PROTO_REQUESTS_N];
static struct histogram create[VM_BOOTED + 1];

static void add(struct histogram *h, uint64_t ns)
{
	uint32_t i = 0;

	while (i < BOUNDS && ns > bound[i] * 1000ull)
		i++;
	h->bucket[i]++;
	h->n++;
	h->sum_ns += ns;
}

void metrics_operation(enum proto_op op, uint64_t ns, bool failed)
{
	struct histogram *h = &operation[op - PROTO_REQ_FIRST];

	add(h, ns);
	h->failed += failed;
}

void metrics_create(enum vm_way way, uint64_t ns)
{
	add(&create[way], ns);
}

/* --- the text --- */

static void head(FILE *to, const char *name, const char *type, const char *what)
{
	(void)fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, what, name, type);
}

static void print_histogram(FILE *to, const char *name, const char *key, const char *value,
			    const struct histogram *h)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < BOUNDS; i++) {
		sum += h->bucket[i];
		(void)fprintf(to, "%s_bucket{%s=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, key, value,
			      bound[i] / 1e6, sum);
	}
	(void)fprintf(to, "%s_bucket{%s=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, key, value, h->n);
	(void)fprintf(to, "%s_sum{%s=\"%s\"} %.9f\n", name, key, value, (double)h->sum_ns / 1e9);
	(void)fprintf(to, "%s_count{%s=\"%s\"} %" PRIu64 "\n", name, key, value, h->n);
}

static void print_operations(FILE *to)
{
	head(to, "chaos_operation_seconds", "histogram",
	     "Time in the daemon until a request was answered or was under way.");
	for (uint32_t i = 0; i < PROTO_REQUESTS_N; i++)
		if (operation[i].n)
			print_histogram(to, "chaos_operation_seconds", "op", operation_name[i],
					&operation[i]);
	head(to, "chaos_operation_errors_total", "counter", "Requests answered with an error.");
	for (uint32_t i = 0; i < PROTO_REQUESTS_N; i++)
		if (operation[i].n)
			(void)fprintf(to, "chaos_operation_errors_total{op=\"%s\"} %" PRIu64 "\n",
				      operation_name[i], operation[i].failed);
	head(to, "chaos_create_seconds", "histogram",
	     "Creates, from the request to its answer, by the way they went.");
	for (int i = 0; i <= VM_BOOTED; i++)
		print_histogram(to, "chaos_create_seconds", "way", vm_way_name((enum vm_way)i),
				&create[i]);
}

/* A label's text: backslash, quote and newline are escaped. */
static void print_label(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			(void)fputc('\\', to);
		(void)fputs(*text == '\n' ? "\\n" : (char[2]){*text}, to);
	}
}

struct pool_line {
	FILE *to;
	const char *name;
	uint64_t (*value)(const struct pool_flavor *f);
};

static uint64_t value_ready(const struct pool_flavor *f)
{
	return f->ready;
}

static uint64_t value_target(const struct pool_flavor *f)
{
	return f->target;
}

static uint64_t value_hits(const struct pool_flavor *f)
{
	return f->hits;
}

static uint64_t value_misses(const struct pool_flavor *f)
{
	return f->misses;
}

static void print_flavor(const struct pool_flavor *f, void *arg)
{
	const struct pool_line *l = arg;

	(void)fprintf(l->to, "%s{type=\"%s\",vcpus=\"%u\",memory_kib=\"%" PRIu64 "\",image=\"",
		      l->name, dom_type_name(f->type), f->vcpus, f->mem_kib);
	print_label(l->to, f->image ? f->image : "");
	(void)fputs("\",ramdisk=\"", l->to);
	print_label(l->to, f->ramdisk ? f->ramdisk : "");
	(void)fprintf(l->to, "\",vifs=\"%u\",vbds=\"%u\",bridge=\"%s\",backend=\"%s", f->vifs,
		      f->vbds, f->bridge, device_backend_name(f->backend));
	(void)fprintf(l->to, "\",for=\"%s",
		      f->image || f->from ? ""
		      : f->for_linux	  ? "linux"
					  : "noxs");
	(void)fputs("\",from=\"", l->to);
	print_label(l->to, f->from ? f->from : "");
	(void)fprintf(l->to, "\"} %" PRIu64 "\n", l->value(f));
}

static void print_pool(struct engine *en, FILE *to)
{
	static const struct {
		const char *name, *type, *what;
		uint64_t (*value)(const struct pool_flavor *f);
	} lines[] = {
		{"chaos_pool_ready", "gauge", "Shells that wait for a create.", value_ready},
		{"chaos_pool_target", "gauge", "Shells there should be now.", value_target},
		{"chaos_pool_hits_total", "counter", "Creates that took a shell.", value_hits},
		{"chaos_pool_misses_total", "counter", "Creates that found none of the flavor.",
		 value_misses},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct pool_line l = {to, lines[i].name, lines[i].value};

		head(to, lines[i].name, lines[i].type, lines[i].what);
		pool_for_each(en, print_flavor, &l);
	}
}

static void one(FILE *to, const char *name, const char *type, const char *what, uint64_t value)
{
	head(to, name, type, what);
	(void)fprintf(to, "%s %" PRIu64 "\n", name, value);
}

static uint64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	char line[128] = "";
	const char *second;

	if (!f)
		return 0;
	(void)!fgets(line, sizeof(line), f);
	(void)fclose(f);
	second = strchr(line, ' ');
	return (second ? strtoull(second, NULL, 10) : 0) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void metrics_print(struct engine *en, uint32_t clients, FILE *to)
{
	struct engine_host h = {0};

	print_operations(to);
	print_pool(en, to);
	head(to, "chaos_events_total", "counter", "What happened to VMs.");
	for (int i = 0; i < VM_EV_COUNT; i++)
		(void)fprintf(to, "chaos_events_total{event=\"%s\"} %" PRIu64 "\n",
			      vm_event_name((enum vm_event)i), feed_count((enum vm_event)i));
	one(to, "chaos_clients", "gauge", "Open connections.", clients);
	one(to, "chaos_resident_bytes", "gauge", "Memory of the daemon.", resident_bytes());
	if (engine_host(en, &h, NULL) < 0)
		return;
	one(to, "chaos_vms", "gauge", "VMs that live.", h.vms);
	one(to, "chaos_pool_bytes", "gauge", "Memory that shells hold.", h.pool_kib << 10);
	one(to, "chaos_host_memory_bytes", "gauge", "Memory of the host.",
	    h.xen.total_pages * 4096);
	one(to, "chaos_host_free_bytes", "gauge", "Memory that Xen has free.",
	    h.xen.free_pages * 4096);
}
