/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages that a guest grants to this domain, mapped by the kernel's gntdev alone: for programs
 * without hypercalls, which base/xen.h needs. */
#ifndef CHAOS_BASE_GNTDEV_H
#define CHAOS_BASE_GNTDEV_H

#include <stdint.h>

#define GNTDEV_PAGES 256u /* at a time, at most */

/* Maps n pages of a domain in this order, read-write. Unmap them with gntdev_unmap(), or end; the
 * domain cannot be freed before. -EINVAL: there is no such grant, or too many are given. */
int gntdev_map(uint32_t domid, const uint32_t *refs, uint32_t n, void **out);
void gntdev_unmap(void *pages, uint32_t n); /* NULL is allowed */

#endif
