/* SPDX-License-Identifier: BSD-3-Clause */
/* Domains that are not the engine's. */
#ifndef CHAOS_ENGINE_FOREIGN_H
#define CHAOS_ENGINE_FOREIGN_H

#include <stdbool.h>

struct engine;
struct xen_domain_info;

/* --- engine.c --- */
/* It belongs to no VM, also none that is being built, to no shell, and is not ours to be destroyed.
 */
bool domain_is_foreign(struct engine *en, const struct xen_domain_info *info);

#endif
