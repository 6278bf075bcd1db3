/* SPDX-License-Identifier: BSD-3-Clause */
/* All domains of the host: one walk over Xen's list of them, and the list as it is at one moment.
 */
#ifndef CHAOS_ENGINE_SERVICES_DOMAINS_H
#define CHAOS_ENGINE_SERVICES_DOMAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/xen.h"

#define DOMAINS_AT_ONCE 256u /* asked for with one hypercall */

/* Calls fn for each domain but dom0, by rising id, until it returns false. -errno: Xen could not be
 * asked for all; fn has been called for those before. */
typedef bool domains_fn(const struct xen_domain_info *info, void *arg);
int domains_walk(struct xen *x, domains_fn *fn, void *arg, struct err *e);

struct census;

/* NULL: Xen could not be asked for all, or there is no memory. */
struct census *census_take(struct xen *x);
void census_free(struct census *c); /* NULL is fine */
/* 1: the domain of that id carries the uuid, and may be dying; 0: it does not, or the id is 0; else
 * Xen could not be asked. Without a census (NULL) it is asked now. */
int census_find(const struct census *c, struct xen *x, uint32_t domid, const uint8_t uuid[16],
		struct xen_domain_info *info);

#endif
