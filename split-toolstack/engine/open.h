/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files that open the engine share. */
#ifndef CHAOS_ENGINE_OPEN_H
#define CHAOS_ENGINE_OPEN_H

#include <stdbool.h>

#include "base/err.h"

struct engine;
struct xen_domain_info;

/* --- engine.c --- */
/* It belongs to no VM, also none that is being built, to no shell, and is not ours to be destroyed.
 */
bool domain_is_foreign(struct engine *en, const struct xen_domain_info *info);

/* --- chores.c --- */
int chores_open(struct engine *en, struct err *e);

#endif
