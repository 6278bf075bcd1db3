/* SPDX-License-Identifier: BSD-3-Clause */
/* The seam to Xen: what saving and restoring a domain asks for. */
#include <errno.h>

#include "base/xen_private.h"

#include <xenguest.h>

int xen_domain_resume(struct xen *x, uint32_t domid)
{
	return xc_domain_resume(x->xch, domid, 1) < 0 ? -errno : 0;
}
