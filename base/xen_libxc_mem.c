/* SPDX-License-Identifier: BSD-3-Clause */
/* The seam to Xen: memory, vCPU state and event channels. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/xen_private.h"

static void say_nothing(xentoollog_logger *logger, xentoollog_level level, int errnoval,
			const char *context, const char *format, va_list al)
	__attribute__((format(printf, 5, 0)));

static void say_nothing(xentoollog_logger *logger, xentoollog_level level, int errnoval,
			const char *context, const char *format, va_list al)
{
	(void)logger;
	(void)level;
	(void)errnoval;
	(void)context;
	(void)format;
	(void)al;
}

xentoollog_logger *xen_quiet_logger(void)
{
	xentoollog_logger *l = calloc(1, sizeof(*l));

	if (l)
		l->vmessage = say_nothing;
	return l;
}

/* --- memory --- */

static int populate(struct xen *x, uint32_t domid, uint32_t n, uint32_t order, uint32_t flags,
		    xen_pfn_t *frames)
{
	if (xc_domain_populate_physmap_exact(x->xch, domid, n, order, flags, frames) == 0)
		return 0;
	/* If Xen populates fewer pages than requested, errno has no useful value; it means that
	 * there is no memory. */
	return errno == EPERM || errno == ESRCH ? -errno : -ENOMEM;
}

int xen_populate(struct xen *x, uint32_t domid, uint32_t n, uint32_t order, xen_pfn_t *frames)
{
	return populate(x, domid, n, order, 0, frames);
}

int xen_populate_later(struct xen *x, uint32_t domid, uint32_t n, uint32_t order, xen_pfn_t *frames)
{
	return populate(x, domid, n, order, XENMEMF_populate_on_demand, frames);
}

int xen_set_aside(struct xen *x, uint32_t domid, uint64_t pages)
{
	return xc_domain_set_pod_target(x->xch, domid, pages, NULL, NULL, NULL) < 0 ? -errno : 0;
}

int xen_add_to_physmap(struct xen *x, uint32_t domid, uint32_t space, uint64_t idx, uint64_t gfn)
{
	return xc_domain_add_to_physmap(x->xch, domid, space, idx, gfn) < 0 ? -errno : 0;
}

int xen_set_memory_map(struct xen *x, uint32_t domid, const struct e820entry *map, uint32_t n)
{
	struct e820entry *copy = (struct e820entry *)(uintptr_t)map; /* libxenctrl only reads it */

	return xc_domain_set_memory_map(x->xch, domid, copy, n) < 0 ? -errno : 0;
}

int xen_set_paging_pool(struct xen *x, uint32_t domid, uint64_t bytes)
{
	return xc_set_paging_mempool_size(x->xch, domid, bytes) < 0 ? -errno : 0;
}

int xen_claim(struct xen *x, uint32_t domid, uint64_t pages)
{
	return xc_domain_claim_pages(x->xch, domid, pages) < 0 ? -errno : 0;
}

#define ERRS_ON_STACK 64

int xen_map(struct xen *x, uint32_t domid, bool writable, uint32_t n, const xen_pfn_t *frames,
	    void **out)
{
	int few[ERRS_ON_STACK];
	int *errs = few;
	int rc = 0;

	*out = NULL;
	if (n > ERRS_ON_STACK) {
		errs = calloc(n, sizeof(*errs));
		if (!errs)
			return -ENOMEM;
	}
	*out = xenforeignmemory_map(x->xfm, domid, PROT_READ | (writable ? PROT_WRITE : 0), n,
				    frames, errs);
	if (!*out)
		rc = -errno;
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		if (errs[i])
			rc = errs[i] < 0 ? errs[i] : -errs[i];
	if (rc < 0 && *out) {
		(void)xenforeignmemory_unmap(x->xfm, *out, n);
		*out = NULL;
	}
	if (errs != few)
		free(errs);
	return rc;
}

void xen_unmap(struct xen *x, void *addr, uint32_t n)
{
	if (addr)
		(void)xenforeignmemory_unmap(x->xfm, addr, n);
}

/* --- vCPUs --- */

int xen_hvm_context_get(struct xen *x, uint32_t domid, void *buf, uint32_t bytes)
{
	int rc = xc_domain_hvm_getcontext(x->xch, domid, buf, bytes);

	return rc < 0 ? -errno : rc;
}

int xen_hvm_context_set(struct xen *x, uint32_t domid, const void *buf, uint32_t bytes)
{
	uint8_t *raw = (uint8_t *)(uintptr_t)buf; /* libxenctrl only reads it */

	return xc_domain_hvm_setcontext(x->xch, domid, raw, bytes) < 0 ? -errno : 0;
}

int xen_hvm_param_set(struct xen *x, uint32_t domid, uint32_t param, uint64_t value)
{
	return xc_hvm_param_set(x->xch, domid, param, value) < 0 ? -errno : 0;
}

int xen_hvm_param_get(struct xen *x, uint32_t domid, uint32_t param, uint64_t *value)
{
	return xc_hvm_param_get(x->xch, domid, param, value) < 0 ? -errno : 0;
}

int xen_pin_l4(struct xen *x, uint32_t domid, uint64_t mfn)
{
	struct mmuext_op op = {.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = mfn};

	return xc_mmuext_op(x->xch, &op, 1, domid) < 0 ? -errno : 0;
}

int xen_cpuid_default(struct xen *x, uint32_t domid)
{
	return xc_cpuid_apply_policy(x->xch, domid, false, NULL, 0, true, false, false, NULL,
				     NULL) < 0
		       ? -errno
		       : 0;
}

int xen_tsc_default(struct xen *x, uint32_t domid)
{
	return xc_domain_set_tsc_info(x->xch, domid, 0 /* TSC_MODE_DEFAULT */, 0, 0, 0) < 0 ? -errno
											    : 0;
}

/* --- event channels --- */

int xen_evtchn_prepare(struct xen *x)
{
	int fd = xenevtchn_fd(x->xce);
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

int xen_evtchn_alloc(struct xen *x, uint32_t domid, uint32_t remote, uint32_t *port)
{
	int rc = xc_evtchn_alloc_unbound(x->xch, domid, remote);

	if (rc < 0)
		return -errno;
	*port = (uint32_t)rc;
	return 0;
}

int xen_evtchn_reserve(struct xen *x, uint32_t domid, uint32_t *port)
{
	int rc = xenevtchn_bind_unbound_port(x->xce, domid);

	if (rc < 0)
		return -errno;
	*port = (uint32_t)rc;
	return 0;
}

int xen_evtchn_find(struct xen *x, uint32_t domid, uint32_t first, uint32_t limit, uint32_t *port)
{
	for (uint32_t i = first; i < limit; i++) {
		xc_evtchn_status_t s = {.dom = (domid_t)domid, .port = i};

		if (xc_evtchn_status(x->xch, &s) < 0)
			return errno == EINVAL ? -ENOENT : -errno;
		if (s.status == EVTCHNSTAT_unbound && s.u.unbound.dom == 0) {
			*port = i;
			return 0;
		}
	}
	return -ENOENT;
}

int xen_evtchn_fd(struct xen *x)
{
	return xenevtchn_fd(x->xce);
}

int xen_evtchn_bind(struct xen *x, uint32_t domid, uint32_t remote_port, uint32_t *port)
{
	int rc = xenevtchn_bind_interdomain(x->xce, domid, remote_port);

	if (rc < 0)
		return -errno;
	*port = (uint32_t)rc;
	return 0;
}

int xen_evtchn_bind_virq(struct xen *x, uint32_t virq, uint32_t *port)
{
	int rc = xenevtchn_bind_virq(x->xce, virq);

	if (rc < 0)
		return -errno;
	*port = (uint32_t)rc;
	return 0;
}

int xen_evtchn_unbind(struct xen *x, uint32_t port)
{
	return xenevtchn_unbind(x->xce, port) < 0 ? -errno : 0;
}

int xen_evtchn_notify(struct xen *x, uint32_t port)
{
	return xenevtchn_notify(x->xce, port) < 0 ? -errno : 0;
}

int xen_evtchn_pending(struct xen *x, uint32_t *port)
{
	int rc = xenevtchn_pending(x->xce);

	if (rc < 0)
		return -errno;
	*port = (uint32_t)rc;
	return 0;
}

int xen_evtchn_unmask(struct xen *x, uint32_t port)
{
	return xenevtchn_unmask(x->xce, port) < 0 ? -errno : 0;
}
