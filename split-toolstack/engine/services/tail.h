/* SPDX-License-Identifier: BSD-3-Clause */
/* The guard against long tails: host-wide settings, made at start and put back at the end. */
#ifndef CHAOS_ENGINE_SERVICES_TAIL_H
#define CHAOS_ENGINE_SERVICES_TAIL_H

#include <stddef.h>

#include "base/err.h"

struct tail;
struct xen;

/* Settings of dom0's kernel and of Xen that keep requests quick beside long hypercalls and busy
 * guests; chaosd(8) has them. */
enum tail_guard {
	TAIL_OFF,
	TAIL_AUTO, /* those that can be made here */
	TAIL_ON,   /* all, or tail_open() fails */
};

struct tail_conf {
	enum tail_guard guard;
	const char *preempt_file; /* of dom0's kernel; NULL: debugfs' sched/preempt */
	const char *run_dir;	  /* both as long as the guard is open */
};

/*
 * Puts back what an engine that was killed has left (its record in the run directory says what),
 * then makes the settings that `guard` names, recorded before the first is made. With TAIL_ON one
 * that cannot be made is an error, and the others are put back. Before the worker's threads: they
 * inherit the CPU. *out is NULL when the guard is off.
 */
int tail_open(struct xen *x, const struct tail_conf *conf, struct tail **out, struct err *e);
/* Puts back each setting that still is as it was made. NULL is fine. */
void tail_close(struct tail *t);
/* "preempt full (was voluntary), ...", or "off" (NULL). */
void tail_describe(const struct tail *t, char *to, size_t room);
/* The calling thread may run on all CPUs of the process again. */
void tail_unpin(void);

#endif
