/* SPDX-License-Identifier: BSD-3-Clause */
/* What of VMs survives the daemon: a record each, by uuid. */
#ifndef CHAOS_ENGINE_REGISTRY_H
#define CHAOS_ENGINE_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/registry/record-t.h"

struct registry;

/* In the run directory. */
int registry_open(const char *run_dir, struct registry **out, struct err *e);
void registry_close(struct registry *reg); /* NULL is fine */
/* From now on this is what is known of the VM. */
int registry_put(struct registry *reg, const struct vm_record *r, struct err *e);
void registry_delete(struct registry *reg, const uint8_t uuid[16]);
/* Gives some of what was written lately to the database, which takes longer; true: there is more.
 */
bool registry_settle(struct registry *reg);
/* Calls fn once for each VM; it may take what is in `cfg`, which r->cfg is as well, and then clears
 * it. With -errno from fn that ends. The registry must not be changed meanwhile. */
typedef int registry_fn(void *arg, const struct vm_record *r, struct vm_config *cfg);
int registry_load(struct registry *reg, registry_fn *fn, void *arg, struct err *e);

#endif
