/* SPDX-License-Identifier: BSD-3-Clause */
/* Xen with libxenctrl: the calls for saving and restoring a domain. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/xen_private.h"

#include <xenguest.h>
#include <xen/hvm/save.h>
#include <xen/memory.h>

int xen_domain_resume(struct xen *x, uint32_t domid)
{
	return xc_domain_resume(x->xch, domid, 1) < 0 ? -errno : 0;
}

/* --- vCPUs --- */

struct context_call {
	struct xen_domctl op;
	vcpu_guest_context_any_t ctx;
};
_Static_assert(sizeof(struct context_call) <= XEN_BUFFER, "it fits");

/* Of its context; `with` is false for one of NULL. */
static int context_call(struct xen *x, struct context_call *b, uint32_t cmd, uint32_t domid,
			uint32_t vcpu, bool with)
{
	memset(&b->op, 0, sizeof(b->op));
	b->op.cmd = cmd;
	b->op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	b->op.domain = (domid_t)domid;
	b->op.u.vcpucontext.vcpu = vcpu;
	if (with)
		set_xen_guest_handle_raw(b->op.u.vcpucontext.ctxt, &b->ctx.c);
	return xencall1(x->call, __HYPERVISOR_domctl, (uint64_t)&b->op) < 0 ? -errno : 0;
}

int xen_vcpu_context(struct xen *x, uint32_t domid, uint32_t vcpu, vcpu_guest_context_any_t *ctx)
{
	struct context_call *b = xen_buffer(x);

	if (!b)
		return -ENOMEM;
	memcpy(&b->ctx, ctx, sizeof(b->ctx));
	return context_call(x, b, XEN_DOMCTL_setvcpucontext, domid, vcpu, true);
}

int xen_vcpu_context_get(struct xen *x, uint32_t domid, uint32_t vcpu,
			 vcpu_guest_context_any_t *ctx)
{
	struct context_call *b = xen_buffer(x);
	int rc;

	if (!b)
		return -ENOMEM;
	memset(&b->ctx, 0, sizeof(b->ctx)); /* a guest of 32 bits has less */
	rc = context_call(x, b, XEN_DOMCTL_getvcpucontext, domid, vcpu, true);
	if (rc == 0)
		memcpy(ctx, &b->ctx, sizeof(*ctx));
	return rc;
}

int xen_vcpu_reset(struct xen *x, uint32_t domid, uint32_t vcpu)
{
	struct context_call *b = xen_buffer(x);

	return b ? context_call(x, b, XEN_DOMCTL_setvcpucontext, domid, vcpu, false) : -ENOMEM;
}

int xen_hvm_cpu_get(struct xen *x, uint32_t domid, uint32_t vcpu, void *buf, uint32_t bytes)
{
	if (xc_domain_hvm_getcontext_partial(x->xch, domid, HVM_SAVE_CODE(CPU), (uint16_t)vcpu, buf,
					     bytes) == 0)
		return 0;
	return errno == ENOENT ? -ENODATA : -errno;
}

int xen_cpu_features(struct xen *x, bool hvm, uint32_t max, uint32_t *words)
{
	uint32_t n = max;

	if (xc_get_cpu_featureset(
		    x->xch, hvm ? XEN_SYSCTL_cpu_featureset_hvm : XEN_SYSCTL_cpu_featureset_pv, &n,
		    words) < 0)
		return -errno;
	return (int)(n < max ? n : max);
}

/* --- frames that are written --- */

/* libxenctrl's own call has another signature in each version. `bits` NULL: no bitmap is
 * requested. */
static int shadow_op(struct xen *x, uint32_t domid, uint32_t what, uint32_t mode, uint64_t frames,
		     uint64_t *bits)
{
	size_t bytes = bits ? frames / 8 : 0;
	struct xen_domctl *op = xencall_alloc_buffer(x->call, sizeof(*op));
	void *buf = bytes ? xencall_alloc_buffer(x->call, bytes) : NULL;
	int rc = -ENOMEM;

	if (!op || (bytes && !buf))
		goto out;
	memset(op, 0, sizeof(*op));
	op->cmd = XEN_DOMCTL_shadow_op;
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op->domain = (domid_t)domid;
	op->u.shadow_op.op = what;
	op->u.shadow_op.mode = mode;
	if (bytes) {
		memset(buf, 0, bytes);
		op->u.shadow_op.pages = frames;
		set_xen_guest_handle_raw(op->u.shadow_op.dirty_bitmap, (uint8_t *)buf);
	}
	rc = xencall1(x->call, __HYPERVISOR_domctl, (uint64_t)op) < 0 ? -errno : 0;
	if (rc == 0 && bytes)
		memcpy(bits, buf, bytes);
out:
	if (buf)
		xencall_free_buffer(x->call, buf);
	if (op)
		xencall_free_buffer(x->call, op);
	return rc;
}

int xen_dirty_start(struct xen *x, uint32_t domid)
{
	return shadow_op(x, domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, 0, 0, NULL);
}

int xen_dirty_take(struct xen *x, uint32_t domid, uint64_t frames, bool last, uint64_t *bits)
{
	int rc = -EINVAL;

#ifdef XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL /* which a Xen may not know yet */
	if (last)
		rc = shadow_op(x, domid, XEN_DOMCTL_SHADOW_OP_CLEAN,
			       XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL, frames, bits);
#else
	(void)last;
#endif
	return rc == -EINVAL ? shadow_op(x, domid, XEN_DOMCTL_SHADOW_OP_CLEAN, 0, frames, bits)
			     : rc;
}

int xen_dirty_stop(struct xen *x, uint32_t domid)
{
	return shadow_op(x, domid, XEN_DOMCTL_SHADOW_OP_OFF, 0, 0, NULL);
}

/* --- PV page tables --- */

int xen_unpin(struct xen *x, uint32_t domid, uint64_t mfn)
{
	struct mmuext_op op = {.cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = mfn};

	return xc_mmuext_op(x->xch, &op, 1, domid) < 0 ? -errno : 0;
}

#define AT_ONCE 512u

int xen_set_entries(struct xen *x, uint32_t domid, uint32_t owner, uint32_t n,
		    const struct xen_pte *pte)
{
	struct mmu_update *u = xen_buffer(x);
	int rc = u ? 0 : -ENOMEM;

	for (uint32_t done = 0; rc == 0 && done < n; done += AT_ONCE) {
		uint32_t now = n - done < AT_ONCE ? n - done : AT_ONCE;

		for (uint32_t i = 0; i < now; i++)
			u[i] = (struct mmu_update){pte[done + i].at, pte[done + i].value};
		if (xencall4(x->call, __HYPERVISOR_mmu_update, (uint64_t)u, now, 0,
			     (uint64_t)(domid + 1) << 16 | owner) < 0)
			rc = -errno;
	}
	return rc;
}

/* libxenctrl has no public call for it. */
int xen_page_types(struct xen *x, uint32_t domid, uint32_t n, xen_pfn_t *frames)
{
	struct {
		struct xen_domctl op;
		xen_pfn_t frame[XEN_TYPES_MAX];
	} *b = xen_buffer(x);
	int rc = 0;

	_Static_assert(sizeof(*b) <= XEN_BUFFER, "they fit");
	if (!b)
		return -ENOMEM;
	for (uint32_t done = 0; rc == 0 && done < n; done += XEN_TYPES_MAX) {
		uint32_t now = n - done < XEN_TYPES_MAX ? n - done : XEN_TYPES_MAX;

		memset(&b->op, 0, sizeof(b->op));
		memcpy(b->frame, frames + done, now * sizeof(*frames));
		b->op.cmd = XEN_DOMCTL_getpageframeinfo3;
		b->op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
		b->op.domain = (domid_t)domid;
		b->op.u.getpageframeinfo3.num = now;
		set_xen_guest_handle_raw(b->op.u.getpageframeinfo3.array, b->frame);
		if (xencall1(x->call, __HYPERVISOR_domctl, (uint64_t)&b->op) < 0)
			rc = -errno;
		memcpy(frames + done, b->frame, now * sizeof(*frames));
	}
	return rc;
}

/* The machine-to-guest table is available in pieces of 2 MiB; a page of it has 512 frames. */
#define M2P_PIECE (2u << 20)
#define M2P_PAGES (M2P_PIECE / XC_PAGE_SIZE)
#define PER_PAGE  (XC_PAGE_SIZE / sizeof(uint64_t))
#define PER_PIECE (M2P_PIECE / sizeof(uint64_t))

static int learn_m2p(struct xen *x)
{
	long top = xencall2(x->call, __HYPERVISOR_memory_op, XENMEM_maximum_ram_page, 0);
	struct xen_machphys_mfn_list *list;
	xen_pfn_t *piece;
	uint32_t n;
	int rc = 0;

	if (top < 0)
		return -errno;
	n = (uint32_t)((uint64_t)top / PER_PIECE) + 1;
	list = xencall_alloc_buffer(x->call, sizeof(*list));
	piece = xencall_alloc_buffer(x->call, n * sizeof(*piece));
	x->m2p_piece = calloc(n, sizeof(*x->m2p_piece));
	if (!list || !piece || !x->m2p_piece) {
		rc = -ENOMEM;
		goto out;
	}
	memset(list, 0, sizeof(*list));
	list->max_extents = n;
	set_xen_guest_handle_raw(list->extent_start, piece);
	if (xencall2(x->call, __HYPERVISOR_memory_op, XENMEM_machphys_mfn_list, (uint64_t)list) < 0)
		rc = -errno;
	else
		x->m2p_pieces = list->nr_extents < n ? list->nr_extents : n;
	memcpy(x->m2p_piece, piece, x->m2p_pieces * sizeof(*piece));
out:
	xencall_free_buffer(x->call, list);
	xencall_free_buffer(x->call, piece);
	if (rc < 0)
		xen_m2p_close(x);
	return rc;
}

static void unmap_piece(struct xen *x, struct m2p_map *m)
{
	if (m->at)
		(void)xenforeignmemory_unmap(x->xfm, (void *)(uintptr_t)m->at, M2P_PAGES);
	*m = (struct m2p_map){0};
}

static int map_piece(struct xen *x, uint64_t piece, struct m2p_map *m)
{
	xen_pfn_t frame[M2P_PAGES];
	int err[M2P_PAGES] = {0};

	for (uint32_t i = 0; i < M2P_PAGES; i++)
		frame[i] = x->m2p_piece[piece] + i;
	m->at = xenforeignmemory_map(x->xfm, DOMID_XEN, PROT_READ, M2P_PAGES, frame, err);
	if (!m->at)
		return -errno;
	m->piece = piece;
	for (uint32_t i = 0; i < M2P_PAGES; i++)
		if (err[i])
			m->missing[i / 64] |= 1ull << i % 64;
	return 0;
}

/* Maps a piece; if all places are used, it replaces the one that was mapped first. */
static int find_piece(struct xen *x, uint64_t piece, const struct m2p_map **out)
{
	struct m2p_map *m;
	int rc;

	for (uint32_t i = 0; i < M2P_MAPS; i++) {
		*out = &x->m2p_map[i];
		if ((*out)->at && (*out)->piece == piece)
			return 0;
	}
	m = &x->m2p_map[x->m2p_next];
	unmap_piece(x, m);
	rc = map_piece(x, piece, m);
	if (rc < 0)
		return rc;
	x->m2p_next = (x->m2p_next + 1) % M2P_MAPS;
	*out = m;
	return 0;
}

int xen_m2p(struct xen *x, uint64_t mfn, uint64_t *gfn)
{
	const struct m2p_map *m;
	uint64_t piece = mfn / PER_PIECE;
	uint64_t page = mfn % PER_PIECE / PER_PAGE;
	int rc = x->m2p_piece ? 0 : learn_m2p(x);

	if (rc < 0)
		return rc;
	if (!x->m2p_piece || piece >= x->m2p_pieces || x->m2p_piece[piece] == 0)
		return -ENOENT;
	rc = find_piece(x, piece, &m);
	if (rc < 0)
		return rc;
	if (m->missing[page / 64] & 1ull << page % 64)
		return -ENOENT;
	*gfn = __atomic_load_n(&m->at[mfn % PER_PIECE], __ATOMIC_RELAXED);
	return 0;
}

void xen_m2p_close(struct xen *x)
{
	for (uint32_t i = 0; i < M2P_MAPS; i++)
		unmap_piece(x, &x->m2p_map[i]);
	free(x->m2p_piece);
	x->m2p_piece = NULL;
	x->m2p_pieces = 0;
}

int xen_evtchn_reset(struct xen *x, uint32_t domid)
{
	return xc_evtchn_reset(x->xch, domid) < 0 ? -errno : 0;
}
