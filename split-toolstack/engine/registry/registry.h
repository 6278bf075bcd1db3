/* SPDX-License-Identifier: BSD-3-Clause */
/* The records of VMs, by uuid, which are kept over restarts of the daemon. */
#ifndef CHAOS_ENGINE_REGISTRY_H
#define CHAOS_ENGINE_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/registry/record-t.h"

struct registry;

/* Opens the registry in the run directory. */
int registry_open(const char *run_dir, struct registry **out, struct err *e);
void registry_close(struct registry *reg); /* NULL is allowed */
/* Replaces the VM's record. */
int registry_put(struct registry *reg, const struct vm_record *r, struct err *e);
void registry_delete(struct registry *reg, const uint8_t uuid[16]);
/* Moves some new records to the database, which takes longer than registry_put(); true: there
 * are more. */
bool registry_settle(struct registry *reg);
/* Calls fn once for each VM. fn may take memory out of `cfg` (which is r->cfg), and must then
 * clear it. -errno from fn ends the calls. fn must not change the registry. */
typedef int registry_fn(void *arg, const struct vm_record *r, struct vm_config *cfg);
int registry_load(struct registry *reg, registry_fn *fn, void *arg, struct err *e);

#endif
