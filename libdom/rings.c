/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes the rings of devices before the guest runs: empty, and granted to dom0. */
#include "libdom/build.h"

#include <errno.h>
#include <string.h>

#include "base/shared.h"

/* The head of every ring page: Xen public/io/ring.h, DEFINE_RING_TYPES. */
struct ring_head {
	uint32_t req_prod, req_event, rsp_prod, rsp_event;
};

int build_rings(struct xen *x, struct dom *d, struct err *e)
{
	uint32_t n = d->ring_pages;
	uint8_t *at = NULL;
	int rc;

	for (uint32_t i = 0; i < n; i++)
		d->ring_frame[i] = build_frame(d->build, d->ring_gfn + i);
	rc = xen_map(x, d->domid, true, n, d->ring_frame, (void **)&at);
	if (rc < 0)
		return err_sys(e, -rc, "map the rings of domain %u", d->domid);
	memset(at, 0, n * PAGE_BYTES);
	for (uint32_t i = 0; i < n; i++) {
		struct ring_head *h = (struct ring_head *)(void *)(at + i * PAGE_BYTES);

		shared_store(&h->req_event, 1u); /* the first one is told of */
		shared_store(&h->rsp_event, 1u);
	}
	xen_unmap(x, at, n);
	rc = xen_grant_seed(x, d->domid, DOM_RING_GREF, n, d->ring_frame);
	if (rc < 0)
		return err_sys(e, -rc, "grant the rings of domain %u", d->domid);
	return 0;
}
