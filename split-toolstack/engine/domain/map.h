/* SPDX-License-Identifier: BSD-3-Clause */
/* Mapping the two noxs pages of a domain. */
#ifndef CHAOS_ENGINE_DOMAIN_MAP_H
#define CHAOS_ENGINE_DOMAIN_MAP_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/xen.h"

/* Maps device page and control page of a domain, one after the other; with `fresh` they are
 * zeroed. */
static inline int domain_map(struct xen *x, uint32_t domid, uint64_t dev_frame,
			     uint64_t control_frame, bool fresh, uint8_t **map, struct err *e)
{
	xen_pfn_t frames[2] = {dev_frame, control_frame};
	void *at = NULL;
	int rc = xen_map(x, domid, true, 2, frames, &at);

	if (rc < 0)
		return err_sys(e, -rc, "map device and control page of domain %u", domid);
	if (fresh) /* pages may have old contents */
		memset(at, 0, 2 * 4096);
	*map = at;
	return 0;
}

#endif
