/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking over what the last daemon left. */
#ifndef CHAOS_ENGINE_ADOPT_H
#define CHAOS_ENGINE_ADOPT_H

#include <stdbool.h>

#include "base/err.h"

struct engine;
struct vm;
struct xen_domain_info;

/*
 * A record, a domain id and a uuid together say what is ours. A call that fails says nothing: then
 * the VM is VM_UNKNOWN, with the reason, keeps its record, its domain and its devices as they are,
 * and is tried again by a timer.
 */

/* Takes over all that the registry knows. Fails before anything was touched. */
int adopt_all(struct engine *en, struct err *e);
void adopt_close(struct engine *en);
/* An unknown VM has changed, or is about to end: what there is of it is looked at soon. */
void adopt_soon(struct engine *en);
/* The domain was half made by the last daemon, and is not cleaned up yet. */
bool adopt_has_domain(const struct engine *en, const struct xen_domain_info *info);

#endif
