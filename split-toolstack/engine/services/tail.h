/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings of the host that keep requests quick: made at the start, restored at the end. */
#ifndef CHAOS_ENGINE_SERVICES_TAIL_H
#define CHAOS_ENGINE_SERVICES_TAIL_H

#include <stddef.h>

#include "base/err.h"

struct tail;
struct xen;

/* They are for dom0's kernel and Xen, and help while long hypercalls run or guests are busy; see
 * chaosd(8). */
enum tail_guard {
	TAIL_OFF,
	TAIL_AUTO, /* those that can be made here */
	TAIL_ON,   /* all; otherwise tail_open() fails */
};

struct tail_conf {
	enum tail_guard guard;
	const char *preempt_file; /* of dom0's kernel; NULL: sched/preempt in debugfs */
	const char *run_dir;	  /* both must exist until tail_close() */
};

/* First restores what an engine that was killed has left (its record is in the run directory).
 * Then makes the settings that `guard` selects; each old value is recorded before. With TAIL_ON,
 * if one setting cannot be made, that is an error, and the others are restored. Call it before
 * the worker's threads are started, because they inherit the CPU. *out is NULL if the guard is
 * off. */
int tail_open(struct xen *x, const struct tail_conf *conf, struct tail **out, struct err *e);
/* Restores each setting that still has the value made here. NULL is allowed. */
void tail_close(struct tail *t);
/* "preempt full (was voluntary), ...", or "off" (NULL). */
void tail_describe(const struct tail *t, char *to, size_t room);
/* Allows the calling thread to run on all CPUs of the process again. */
void tail_unpin(void);

#endif
