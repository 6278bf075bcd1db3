/* SPDX-License-Identifier: BSD-3-Clause */
/* All domains of the host at one moment. */
#ifndef CHAOS_ENGINE_CENSUS_H
#define CHAOS_ENGINE_CENSUS_H

#include <stdint.h>

#include "base/xen.h"

struct engine;
struct census;

/* NULL: Xen could not be asked for all, or there is no memory. */
struct census *census_take(struct engine *en);
void census_free(struct census *c); /* NULL is fine */
/* 1: the domain of that id carries the uuid, and may be dying; 0: it does not, or the id is 0; else
 * Xen could not be asked. Without a census (NULL) it is asked now. */
int census_find(const struct census *c, struct xen *x, uint32_t domid, const uint8_t uuid[16],
		struct xen_domain_info *info);

#endif
