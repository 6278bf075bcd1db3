/* SPDX-License-Identifier: BSD-3-Clause */
/* All domains of the host: a walk over Xen's list, and a copy of the list at one moment. */
#ifndef CHAOS_ENGINE_SERVICES_DOMAINS_H
#define CHAOS_ENGINE_SERVICES_DOMAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/xen.h"

#define DOMAINS_AT_ONCE 256u /* domains read by one hypercall */

/* Calls fn for each domain except dom0, by ascending id, until it returns false. -errno: Xen did
 * not return all; fn has been called for those before. */
typedef bool domains_fn(const struct xen_domain_info *info, void *arg);
int domains_walk(struct xen *x, domains_fn *fn, void *arg, struct err *e);

struct census;

/* NULL: Xen did not return all domains, or there is no memory. */
struct census *census_take(struct xen *x);
void census_free(struct census *c); /* NULL is allowed */
/* 1: the domain with that id has the uuid (it may be dying); 0: it has not, or the id is 0;
 * -errno: Xen did not answer. With NULL, Xen is asked now. */
int census_find(const struct census *c, struct xen *x, uint32_t domid, const uint8_t uuid[16],
		struct xen_domain_info *info);

#endif
