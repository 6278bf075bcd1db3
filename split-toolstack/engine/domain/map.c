/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of a domain that chaosd holds. */
#include "split-toolstack/engine/domain/map.h"

#include <string.h>

#include "split-toolstack/engine/engine-t.h"

int domain_map(struct engine *en, uint32_t domid, uint64_t dev_frame, uint64_t control_frame,
	       bool fresh, uint8_t **map, struct err *e)
{
	xen_pfn_t frames[2] = {dev_frame, control_frame};
	void *at = NULL;
	int rc = xen_map(en->x, domid, true, 2, frames, &at);

	if (rc < 0)
		return err_sys(e, -rc, "map device and control page of domain %u", domid);
	if (fresh) /* pages may come dirty */
		memset(at, 0, 2 * 4096);
	*map = at;
	return 0;
}
