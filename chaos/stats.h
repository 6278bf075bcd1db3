/* SPDX-License-Identifier: BSD-3-Clause */
/* The numbers that are printed for a VM that was written or read. */
#ifndef CHAOS_STATS_H
#define CHAOS_STATS_H

#include "chaos/cli.h"

struct stats {
	char name[160];
	uint64_t bytes, pages, present, stopped_ns, total_ns;
};

/* Fields that the frame does not have are not changed. */
void read_stats(const struct wire_in *in, struct stats *s);
/* Adds them to an object; not 0: out of memory. */
int add_stats(json_t *j, const struct stats *s);

#endif
