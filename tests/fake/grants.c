/* SPDX-License-Identifier: BSD-3-Clause */
/* base/xen.h on the fake: grant tables. */
#include "tests/fake/private.h"

int xen_grant_seed(struct xen *x, uint32_t domid, uint32_t first, uint32_t n,
		   const xen_pfn_t *frames)
{
	(void)first;
	(void)n;
	(void)frames;
	ONE_DOMAIN();
}

/* A table is its domain's page of entries (struct fake_grant). */
int xen_grants_map(struct xen *x, uint32_t domid, struct xen_grants **out)
{
	ONE_DOMAIN({
		fake_held.mapped_pages++;
		*out = (struct xen_grants *)(void *)d->grant;
	});
}

void xen_grants_unmap(struct xen *x, struct xen_grants *g)
{
	(void)x;
	(void)pthread_mutex_lock(&fake_lock);
	if (g)
		fake_held.mapped_pages--;
	(void)fake_leave(0);
}

void xen_grant_give(struct xen_grants *g, uint32_t ref, uint32_t to, uint32_t frame)
{
	((struct fake_grant *)(void *)g)[ref] = (struct fake_grant){true, false, to, frame};
}

bool xen_grant_take_back(struct xen_grants *g, uint32_t ref)
{
	struct fake_grant *entry = &((struct fake_grant *)(void *)g)[ref];

	entry->permitted = false;
	return !entry->mapped;
}

bool fake_grant(uint32_t domid, uint32_t ref, struct fake_grant *out)
{
	const struct domain *d;

	(void)pthread_mutex_lock(&fake_lock);
	d = fake_find(domid);
	if (d)
		*out = d->grant[ref];
	(void)fake_leave(0);
	return d && out->permitted;
}

void fake_grant_map(uint32_t domid, uint32_t ref, bool mapped)
{
	struct domain *d;

	(void)pthread_mutex_lock(&fake_lock);
	d = fake_find(domid);
	if (d)
		d->grant[ref].mapped = mapped;
	(void)fake_leave(0);
}

int xen_grant_frames(struct xen *x, uint32_t domid, uint32_t n, uint64_t *mfns)
{
	ONE_DOMAIN({
		for (uint32_t i = 0; i < n; i++)
			mfns[i] = SHARED_INFO - 1 - i;
	});
}

/* A page of no domain's, all zero. */
int xen_grant_map(struct xen *x, uint32_t domid, uint32_t ref, void **out)
{
	(void)ref;
	ONE_DOMAIN({
		(void)d;
		*out = calloc(1, 4096);
		fake_held.mapped_pages++;
	});
}

void xen_grant_unmap(struct xen *x, void *addr)
{
	(void)x;
	(void)pthread_mutex_lock(&fake_lock);
	free(addr);
	fake_held.mapped_pages--;
	(void)fake_leave(0);
}
