/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots on the fake, for the tests of them. */
#ifndef CHAOS_SNAP_HELP_H
#define CHAOS_SNAP_HELP_H

#include "split-toolstack/engine/life/snapshot.h"
#include "tests/unit/engine/life/savevm_help.h"

struct kept {
	bool called;
	int rc;
	char name[IMAGE_NAME_MAX + 1], digest[65], parent[65];
	struct err err;
};

/* Once for each; *k is the answer. */
void answer(struct kept *k, int rc, const struct snapshot *x, const struct err *e);
vm_snapshot_fn on_kept; /* arg: struct kept */
struct kept keep(struct vm *vm, const char *name);
int rm(const char *name, struct err *e);
struct result copy_of(const char *snapshot, const char *name, uint32_t flags);
/* Files of the folder whose names end like this. What was given up goes behind the answer. */
uint32_t files(const char *end);

#endif
