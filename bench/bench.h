/* SPDX-License-Identifier: BSD-3-Clause */
/* What all benches share: samples, timed processes, JSON lines. */
#ifndef CHAOS_BENCH_H
#define CHAOS_BENCH_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_SAMPLES_MAX 4096
#define BENCH_COUNT_MAX	  32000

/* A growing set of measurements of one thing, in ns. Zero it before use. */
struct samples {
	uint64_t ns[BENCH_SAMPLES_MAX];
	unsigned int n;
};

/* Drops what is past BENCH_SAMPLES_MAX; benches ask for less. */
void samples_add(struct samples *s, uint64_t ns);
void samples_sort(struct samples *s); /* ascending */

/*
 * Prints one JSON line to stdout, times in microseconds:
 * {"bench":..,"metric":..,"unit":"us","n":..,"min":..,"median":..,"p99":..,"max":..}. Sorts the
 * set.
 */
void samples_print(struct samples *s, const char *bench, const char *metric);

/* A point of a curve over the number of VMs: "bench":"series", "vms":N. Sorts the set. */
void series_print(struct samples *s, const char *metric, unsigned int vms);
/* One measured number of any unit. */
void number_print(const char *bench, const char *metric, const char *unit, double value);

/* Spawns argv[0] (searched in PATH) with stdout and stderr on /dev/null unless CHAOS_BENCH_VERBOSE
 * is set, waits, returns what it took in ns. Ends the program when the child fails: a bench of
 * failures is worth nothing. */
uint64_t spawn_timed(const char *const *argv);

/* Prints "chaos-bench: ..." and exits 1. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* One bench: a name, what it says in the help, and its run with n samples. Tables in main.c. */
struct bench {
	const char *name;
	const char *what;
	void (*run)(unsigned int n);
};

void bench_fork(unsigned int n);
void bench_boot_chaos(unsigned int n);
void bench_boot_xl(unsigned int n);
void bench_latency(unsigned int n);
void bench_scale(unsigned int n);
void bench_scale_xl(unsigned int n);
void bench_density(unsigned int n);
void bench_adopt(unsigned int n);
void bench_warm(unsigned int n);
void bench_churn(unsigned int n);
void bench_process(unsigned int n);
void bench_containers(unsigned int n);
void bench_aheadcontainers(unsigned int n);
void bench_destroy_cmd(unsigned int n);
void bench_tails(unsigned int n);
void bench_busy(unsigned int n);
void bench_linux(unsigned int n);
void bench_kernel(unsigned int n);
void bench_checkpoint(unsigned int n);
void bench_linuxsave(unsigned int n);
void bench_linuxsavepv(unsigned int n);
void bench_branch(unsigned int n);
void bench_booted(unsigned int n);
void bench_bootedlinux(unsigned int n);
void bench_shared(unsigned int n);
void bench_migrate(unsigned int n);
void bench_firstpacket(unsigned int n);
void bench_devscale(unsigned int n);
void bench_firewall(unsigned int n);

#endif
