/* SPDX-License-Identifier: BSD-3-Clause */
/* Xen with libxenctrl: handles, host and domains. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xen_private.h"

static int open_failed(struct err *e, const char *what)
{
	int code = errno ? errno : EIO;

	if (access("/proc/xen/capabilities", F_OK) != 0)
		return err_set(e, ENODEV,
			       "this is not a Xen host: boot Xen, and mount xenfs on /proc/xen");
	if (code == EACCES || code == EPERM)
		return err_set(e, code, "no rights to %s: run as root in dom0", what);
	if (code == ENOENT || code == ENODEV)
		return err_set(e, ENODEV, "%s is missing: load the modules xen-privcmd xen-evtchn",
			       what);
	return err_sys(e, code, "open %s", what);
}

int xen_open(struct xen **out, struct err *e)
{
	struct xen *x = calloc(1, sizeof(*x));
	int rc;

	*out = NULL;
	if (!x)
		return err_set(e, ENOMEM, "out of memory");
	/* A logger that drops everything: libraries do not print; errno has the reason. */
	x->quiet = xen_quiet_logger();
	if (!x->quiet) {
		rc = err_set(e, ENOMEM, "out of memory");
		goto out;
	}
	errno = 0;
	x->xch = xc_interface_open(x->quiet, x->quiet, 0);
	if (!x->xch) {
		rc = open_failed(e, "the hypercall device /dev/xen/privcmd");
		goto out;
	}
	errno = 0;
	x->xfm = xenforeignmemory_open(x->quiet, 0);
	if (!x->xfm) {
		rc = open_failed(e, "the mapping device /dev/xen/privcmd");
		goto out;
	}
	errno = 0;
	x->xce = xenevtchn_open(x->quiet, 0);
	if (!x->xce) {
		rc = open_failed(e, "the event device /dev/xen/evtchn");
		goto out;
	}
	errno = 0;
	x->call = xencall_open(x->quiet, 0);
	if (!x->call) {
		rc = open_failed(e, "the hypercall device /dev/xen/hypercall");
		goto out;
	}
	rc = xen_evtchn_prepare(x);
	if (rc < 0) {
		(void)err_sys(e, -rc, "open the event channel device /dev/xen/evtchn");
		goto out;
	}
	x->scheduler = -1;
	*out = x;
	return 0;
out:
	xen_close(x);
	return rc;
}

void xen_close(struct xen *x)
{
	if (!x)
		return;
	if (x->xce)
		(void)xenevtchn_close(x->xce);
	if (x->xfm)
		xen_m2p_close(x);
	if (x->gnt)
		(void)xengnttab_close(x->gnt);
	if (x->buf)
		xencall_free_buffer_pages(x->call, x->buf, XEN_BUFFER / XC_PAGE_SIZE);
	if (x->call)
		(void)xencall_close(x->call);
	if (x->xfm)
		(void)xenforeignmemory_close(x->xfm);
	if (x->xch)
		(void)xc_interface_close(x->xch);
	free(x->quiet);
	free(x);
}

void *xen_buffer(struct xen *x)
{
	if (!x->buf)
		x->buf = xencall_alloc_buffer_pages(x->call, XEN_BUFFER / XC_PAGE_SIZE);
	return x->buf;
}

xc_interface *xen_xc(struct xen *x)
{
	return x->xch;
}

int xen_host_info(struct xen *x, struct xen_host *out)
{
	xc_physinfo_t info = {0};
	xen_capabilities_info_t caps = "";
	xen_extraversion_t extra = "";
	int version;

	memset(out, 0, sizeof(*out));
	if (xc_physinfo(x->xch, &info) < 0)
		return -errno;
	version = xc_version(x->xch, XENVER_version, NULL);
	if (version < 0 || xc_version(x->xch, XENVER_extraversion, extra) < 0 ||
	    xc_version(x->xch, XENVER_capabilities, caps) < 0)
		return -errno;
	out->free_pages = info.free_pages - info.outstanding_pages;
	out->total_pages = info.total_pages;
	out->cpus = info.nr_cpus;
	out->cpu_khz = info.cpu_khz;
	out->hvm = (info.capabilities & XEN_SYSCTL_PHYSCAP_hvm) != 0 &&
		   (info.capabilities & XEN_SYSCTL_PHYSCAP_hap) != 0;
	out->pv = (info.capabilities & XEN_SYSCTL_PHYSCAP_pv) != 0;
	(void)snprintf(out->version, sizeof(out->version), "%d.%d%s", version >> 16,
		       version & 0xffff, extra);
	(void)snprintf(out->capabilities, sizeof(out->capabilities), "%.*s",
		       (int)sizeof(out->capabilities) - 1, caps);
	return 0;
}

bool xen_has_xsm(struct xen *x)
{
	return xc_flask_getenforce(x->xch) >= 0 || errno != ENOSYS;
}

int xen_free_pages(struct xen *x, uint64_t *out)
{
	xc_physinfo_t info = {0};

	if (xc_physinfo(x->xch, &info) < 0)
		return -errno;
	*out = info.free_pages - info.outstanding_pages; /* what others have claimed */
	return 0;
}

/* The highest version of grant tables that this Xen was booted with; asked once. */
static uint32_t grant_version(struct xen *x)
{
	xc_physinfo_t info = {0};

	if (x->grant_version == 0 && xc_physinfo(x->xch, &info) == 0)
		x->grant_version = (info.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v2) != 0 ? 2 : 1;
	return x->grant_version ? x->grant_version : 1;
}

int xen_domain_create(struct xen *x, const struct xen_domain_config *c, uint32_t *domid)
{
	struct xen_domctl_createdomain arg = {
		.flags = c->hvm ? XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap : 0,
		.max_vcpus = c->max_vcpus,
		.max_evtchn_port = (int32_t)c->max_evtchn_port,
		.max_grant_frames = (int32_t)c->max_grant_frames,
		.max_maptrack_frames = (int32_t)c->max_maptrack_frames,
		.grant_opts = XEN_DOMCTL_GRANT_version(c->grant_version ? c->grant_version
									: grant_version(x)),
	};
	uint32_t id = c->domid;

	memcpy(arg.handle, c->uuid, sizeof(arg.handle));
	if (c->hvm)
		arg.arch.emulation_flags = XEN_X86_EMU_LAPIC;
	if (xc_domain_create(x->xch, &id, &arg) < 0)
		return -errno;
	if (c->domid != 0 && id != c->domid) {
		(void)xc_domain_destroy(x->xch, id);
		return -EEXIST;
	}
	*domid = id;
	return 0;
}

int xen_domain_max_vcpus(struct xen *x, uint32_t domid, uint32_t vcpus)
{
	return xc_domain_max_vcpus(x->xch, domid, vcpus) < 0 ? -errno : 0;
}

int xen_domain_max_mem(struct xen *x, uint32_t domid, uint64_t kib)
{
	return xc_domain_setmaxmem(x->xch, domid, kib) < 0 ? -errno : 0;
}

int xen_domain_destroy(struct xen *x, uint32_t domid, const uint8_t uuid[16])
{
	int rc = xen_domain_is(x, domid, uuid);

	if (rc < 0)
		return rc;
	return xc_domain_destroy(x->xch, domid) < 0 ? -errno : 0;
}

int xen_domain_set_uuid(struct xen *x, uint32_t domid, const uint8_t uuid[16])
{
	xen_domain_handle_t handle = {0};

	memcpy(handle, uuid, sizeof(handle));
	return xc_domain_sethandle(x->xch, domid, handle) < 0 ? -errno : 0;
}

int xen_domain_pause(struct xen *x, uint32_t domid)
{
	return xc_domain_pause(x->xch, domid) < 0 ? -errno : 0;
}

int xen_domain_unpause(struct xen *x, uint32_t domid)
{
	return xc_domain_unpause(x->xch, domid) < 0 ? -errno : 0;
}

static void to_info(const xc_domaininfo_t *in, struct xen_domain_info *out)
{
	memset(out, 0, sizeof(*out));
	out->domid = in->domain;
	memcpy(out->uuid, in->handle, sizeof(out->uuid));
	out->hvm = (in->flags & XEN_DOMINF_hvm_guest) != 0;
	out->paused = (in->flags & XEN_DOMINF_paused) != 0;
	out->blocked = (in->flags & XEN_DOMINF_blocked) != 0;
	out->running = (in->flags & XEN_DOMINF_running) != 0;
	out->shutdown = (in->flags & XEN_DOMINF_shutdown) != 0;
	out->dying = (in->flags & XEN_DOMINF_dying) != 0;
	out->shutdown_reason = (in->flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask;
	out->vcpus = in->nr_online_vcpus;
	out->cpu_ns = in->cpu_time;
	out->pages = in->tot_pages;
	out->max_pages = in->max_pages;
	out->shared_info_mfn = in->shared_info_frame;
}

/* Does not use the list of domains: Xen walks it from its beginning, which takes longer with
 * more domains. */
int xen_domain_info(struct xen *x, uint32_t domid, struct xen_domain_info *out)
{
#ifdef HAVE_GETINFO_SINGLE
	xc_domaininfo_t raw;

	if (xc_domain_getinfo_single(x->xch, domid, &raw) < 0)
		return -errno;
	to_info(&raw, out);
#else
	xc_dominfo_t i;
	int n = xc_domain_getinfo(x->xch, domid, 1, &i);

	if (n < 0)
		return -errno;
	if (n == 0 || i.domid != domid)
		return -ESRCH;
	*out = (struct xen_domain_info){.domid = domid,
					.hvm = i.hvm,
					.paused = i.paused,
					.blocked = i.blocked,
					.running = i.running,
					.shutdown = i.shutdown || i.crashed,
					.dying = i.dying,
					.shutdown_reason = i.shutdown_reason,
					.vcpus = i.nr_online_vcpus,
					.cpu_ns = i.cpu_time,
					.pages = i.nr_pages,
					.max_pages = i.max_memkb / 4,
					.shared_info_mfn = i.shared_info_frame};
	memcpy(out->uuid, i.handle, sizeof(out->uuid));
#endif
	return 0;
}

int xen_domain_list(struct xen *x, uint32_t first, uint32_t max, struct xen_domain_info *out)
{
	xc_domaininfo_t one;
	xc_domaininfo_t *raw = &one;
	int n;

	if (max > 1) {
		raw = calloc(max, sizeof(*raw));
		if (!raw)
			return -ENOMEM;
	}
	n = xc_domain_getinfolist(x->xch, first, max, raw);
	if (n < 0)
		n = -errno;
	for (int i = 0; i < n; i++)
		to_info(&raw[i], &out[i]);
	if (raw != &one)
		free(raw);
	return n;
}
