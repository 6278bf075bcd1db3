/* SPDX-License-Identifier: BSD-3-Clause */
/* Adoption of the VMs of the last daemon. */
#ifndef CHAOS_ENGINE_ADOPT_H
#define CHAOS_ENGINE_ADOPT_H

#include <stdbool.h>

#include "base/err.h"

struct engine;
struct vm;
struct xen_domain_info;

/*
 * A domain belongs to chaosd if a record has its id and its uuid. If a call fails, that does not
 * show that the VM is gone: the VM is then VM_UNKNOWN, with the reason, and keeps its record,
 * domain and devices; a timer tries again.
 */

/* Adopts all VMs of the registry. If it fails, nothing was changed. */
int adopt_all(struct engine *en, struct err *e);
void adopt_close(struct engine *en);
/* An unknown VM has changed or will end: tries again soon. */
void adopt_soon(struct engine *en);
/* Whether the last daemon had not finished this domain, and it is not removed yet. */
bool adopt_has_domain(const struct engine *en, const struct xen_domain_info *info);

#endif
