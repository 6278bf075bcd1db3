/* SPDX-License-Identifier: BSD-3-Clause */
/* The seam to Xen: grant tables of other domains. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/shared.h"
#include "base/xen_private.h"

#include <xen/grant_table.h>
#include <xen/memory.h>

int xen_grant_seed(struct xen *x, uint32_t domid, uint32_t first, uint32_t n,
		   const xen_pfn_t *frames)
{
	xenforeignmemory_resource_handle *r;
	const domid_t dom0 = 0;
	grant_entry_v1_t *entry;
	void *at = NULL;

	if (first + n > XC_PAGE_SIZE / sizeof(*entry))
		return -EINVAL;
	r = xenforeignmemory_map_resource(x->xfm, (domid_t)domid, XENMEM_resource_grant_table,
					  XENMEM_resource_grant_table_id_shared, 0, 1, &at,
					  PROT_READ | PROT_WRITE, 0);
	if (!r)
		return -errno;
	entry = (grant_entry_v1_t *)at + first;
	for (uint32_t i = 0; i < n; i++) {
		shared_store(&entry[i].domid, dom0);
		shared_store(&entry[i].frame, (uint32_t)frames[i]);
		shared_store_release(&entry[i].flags, (uint16_t)GTF_permit_access);
	}
	return xenforeignmemory_unmap_resource(x->xfm, r) < 0 ? -errno : 0;
}

int xen_grant_frames(struct xen *x, uint32_t domid, uint32_t n, uint64_t *mfns)
{
	struct {
		struct gnttab_setup_table op;
		xen_pfn_t frame[XEN_GRANT_FRAMES];
	} * b;
	int rc = 0;

	if (n > XEN_GRANT_FRAMES)
		return -EINVAL;
	b = xencall_alloc_buffer(x->call, sizeof(*b));
	if (!b)
		return -ENOMEM;
	memset(b, 0, sizeof(*b));
	b->op.dom = (domid_t)domid;
	b->op.nr_frames = n;
	set_xen_guest_handle_raw(b->op.frame_list, b->frame);
	if (xencall3(x->call, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, (uint64_t)&b->op,
		     1) < 0)
		rc = -errno;
	else if (b->op.status != GNTST_okay)
		rc = b->op.status == GNTST_permission_denied ? -EPERM : -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		mfns[i] = b->frame[i];
	xencall_free_buffer(x->call, b);
	return rc;
}

/* --- a table that stays mapped --- */

struct xen_grants {
	xenforeignmemory_resource_handle *r;
	grant_entry_v1_t *entry;
};

int xen_grants_map(struct xen *x, uint32_t domid, struct xen_grants **out)
{
	struct xen_grants *g = calloc(1, sizeof(*g));
	void *at = NULL;

	if (!g)
		return -ENOMEM;
	g->r = xenforeignmemory_map_resource(x->xfm, (domid_t)domid, XENMEM_resource_grant_table,
					     XENMEM_resource_grant_table_id_shared, 0, 1, &at,
					     PROT_READ | PROT_WRITE, 0);
	if (!g->r) {
		int rc = -errno;

		free(g);
		return rc;
	}
	g->entry = at;
	*out = g;
	return 0;
}

void xen_grants_unmap(struct xen *x, struct xen_grants *g)
{
	if (!g)
		return;
	(void)xenforeignmemory_unmap_resource(x->xfm, g->r);
	free(g);
}

void xen_grant_give(struct xen_grants *g, uint32_t ref, uint32_t to, uint32_t frame)
{
	shared_store(&g->entry[ref].domid, (domid_t)to);
	shared_store(&g->entry[ref].frame, frame);
	shared_store_release(&g->entry[ref].flags, (uint16_t)GTF_permit_access);
}

bool xen_grant_take_back(struct xen_grants *g, uint32_t ref)
{
	uint16_t was = __atomic_fetch_and(&g->entry[ref].flags, (uint16_t)~GTF_type_mask,
					  __ATOMIC_SEQ_CST);

	return (was & (GTF_reading | GTF_writing)) == 0;
}

/* --- pages that a domain grants to dom0 --- */

int xen_grant_map(struct xen *x, uint32_t domid, uint32_t ref, void **out)
{
	if (!x->gnt)
		x->gnt = xengnttab_open(x->quiet, 0);
	if (!x->gnt)
		return -errno;
	*out = xengnttab_map_grant_ref(x->gnt, domid, ref, PROT_READ | PROT_WRITE);
	return *out ? 0 : errno ? -errno : -EINVAL;
}

void xen_grant_unmap(struct xen *x, void *addr)
{
	(void)xengnttab_unmap(x->gnt, addr, 1);
}
