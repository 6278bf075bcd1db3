/* SPDX-License-Identifier: BSD-3-Clause */
/* What is told of a VM that was written or read. */
#ifndef CHAOS_STATS_H
#define CHAOS_STATS_H

#include "chaos/cli.h"

struct stats {
	char name[160];
	uint64_t bytes, pages, present, stopped_ns, total_ns;
};

/* What a frame does not have stays as it was. */
void read_stats(const struct wire_in *in, struct stats *s);
/* Into an object: not 0 without memory. */
int add_stats(json_t *j, const struct stats *s);

#endif
