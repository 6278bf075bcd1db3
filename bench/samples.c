/* SPDX-License-Identifier: BSD-3-Clause */
/* Samples: order statistics and the JSON line. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"

void samples_add(struct samples *s, uint64_t ns)
{
	if (s->n < BENCH_SAMPLES_MAX)
		s->ns[s->n++] = ns;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void samples_sort(struct samples *s)
{
	qsort(s->ns, s->n, sizeof(s->ns[0]), by_size);
}

static double us(uint64_t ns)
{
	return (double)ns / 1000.0;
}

static void flush_line(void)
{
	if (fflush(stdout) != 0)
		die("stdout: cannot write");
}

void series_print(struct samples *s, const char *metric, unsigned int vms)
{
	if (s->n == 0)
		return;
	samples_sort(s);
	printf("{\"bench\":\"series\",\"metric\":\"%s\",\"unit\":\"us\",\"vms\":%u,\"n\":%u,"
	       "\"min\":%.1f,\"median\":%.1f,\"max\":%.1f}\n",
	       metric, vms, s->n, us(s->ns[0]), us(s->ns[s->n / 2]), us(s->ns[s->n - 1]));
	flush_line();
}

void number_print(const char *bench, const char *metric, const char *unit, double value)
{
	printf("{\"bench\":\"%s\",\"metric\":\"%s\",\"unit\":\"%s\",\"n\":1,\"min\":%.3f,"
	       "\"median\":%.3f,\"p99\":%.3f,\"max\":%.3f}\n",
	       bench, metric, unit, value, value, value, value);
	flush_line();
}

void samples_print(struct samples *s, const char *bench, const char *metric)
{
	if (s->n == 0)
		die("%s: no samples of %s", bench, metric);
	samples_sort(s);
	printf("{\"bench\":\"%s\",\"metric\":\"%s\",\"unit\":\"us\",\"n\":%u,\"min\":%.1f,"
	       "\"median\":%.1f,\"p99\":%.1f,\"max\":%.1f}\n",
	       bench, metric, s->n, us(s->ns[0]), us(s->ns[s->n / 2]),
	       us(s->ns[(s->n * 99ull) / 100]), us(s->ns[s->n - 1]));
	flush_line();
}
