/* SPDX-License-Identifier: BSD-3-Clause */
/* The one seam to Xen: every hypercall and mapping of dom0's side goes through these functions. */
#ifndef CHAOS_BASE_XEN_H
#define CHAOS_BASE_XEN_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <xenctrl.h>

#include "base/err.h"

/*
 * base/xen_libxc.c implements it over libxenctrl, libxenforeignmemory and libxenevtchn; unit tests
 * link tests/fake/ in its place, which counts what is open and can make the Nth call fail. All
 * functions return >= 0 or a negative errno and log nothing. A bundle belongs to one thread; open
 * another for a worker. Numbers are Xen's own: domid 0..0x7fef, gfn and mfn in pages of 4 KiB.
 */
struct xen;

/* Opens privcmd, evtchn and the hypercall interface. `e` says what is missing: not a Xen host, no
 * rights, modules not loaded. */
int xen_open(struct xen **out, struct err *e);
/* Closes all handles; NULL is fine. Mappings and ports must be gone before. */
void xen_close(struct xen *x);

/* libxenguest's builder needs the raw handle; libdom/linux*.c is its only caller. NULL on the fake.
 */
xc_interface *xen_xc(struct xen *x);

/* --- host ----------------------------------------------------------------------------------------
 */

struct xen_host {
	uint64_t free_pages;
	uint64_t total_pages;
	uint32_t cpus; /* physical, online */
	uint32_t cpu_khz;
	bool hvm;		/* PVH guests can run (VT-x/SVM with nested paging) */
	bool pv;		/* PV guests can run */
	char version[64];	/* "4.17.7" */
	char capabilities[256]; /* as in xl info's xen_caps */
};

int xen_host_info(struct xen *x, struct xen_host *out);
/* Whether Xen labels domains (XSM with FLASK); true when it does not say. */
bool xen_has_xsm(struct xen *x);
/* Free pages alone; one cheap hypercall. */
int xen_free_pages(struct xen *x, uint64_t *out);

#define XEN_NO_CPU UINT32_MAX
/* Physical CPUs by id. */
struct xen_cpus {
	uint32_t n;	/* ids are 0 to n - 1 */
	uint32_t *node; /* NUMA node of each; XEN_NO_CPU: there is no CPU of that id */
};
/* `out->node` is malloced, and the caller's to free. -ENOMEM. XEN_SYSCTL_cputopoinfo. */
int xen_host_cpus(struct xen *x, struct xen_cpus *out);

/* --- domains -------------------------------------------------------------------------------------
 */

struct xen_domain_config {
	bool hvm;	/* a PVH container with HAP and the LAPIC as its only emulation; else PV */
	uint32_t domid; /* wanted, 1..0x7fef; 0 lets Xen choose (never when few ids are left) */
	uint8_t uuid[16];
	uint32_t max_vcpus;
	uint32_t max_evtchn_port;
	uint32_t max_grant_frames;    /* XEN_HOST_LIMIT: all that this Xen allows a domain */
	uint32_t max_maptrack_frames; /* likewise */
	uint32_t grant_version;	      /* 1 or 2: the highest allowed; 0: the host's highest */
};
#define XEN_HOST_LIMIT UINT32_MAX

struct xen_domain_info {
	uint32_t domid;
	uint8_t uuid[16];
	bool hvm, paused, blocked, running, shutdown, dying;
	uint32_t shutdown_reason; /* SHUTDOWN_*, valid with `shutdown` */
	uint32_t vcpus;
	uint64_t cpu_ns;
	uint64_t pages;
	uint64_t max_pages;
	uint64_t shared_info_mfn;
};

/* *domid receives the id. -EEXIST when the wanted id is taken (Xen would hand out another one; this
 * function destroys that and fails). Xen public/domctl.h, XEN_DOMCTL_createdomain. */
int xen_domain_create(struct xen *x, const struct xen_domain_config *c, uint32_t *domid);
int xen_domain_max_vcpus(struct xen *x, uint32_t domid, uint32_t vcpus);
int xen_domain_max_mem(struct xen *x, uint32_t domid, uint64_t kib);
/* Destroys the domain of that id if it carries `uuid`; -ESRCH when it is gone, or when its id was
 * given to another domain. Checked right before, which is all that Xen allows: no call does both.
 * Synchronous and linear in the memory of the guest. Mappings of its pages that are still held keep
 * it as a zombie: unmap first. */
int xen_domain_destroy(struct xen *x, uint32_t domid, const uint8_t uuid[16]);
/* Gives a domain another uuid. */
int xen_domain_set_uuid(struct xen *x, uint32_t domid, const uint8_t uuid[16]);
int xen_domain_pause(struct xen *x, uint32_t domid);
int xen_domain_unpause(struct xen *x, uint32_t domid);
/* Lets a domain go on that has shut down with SHUTDOWN_suspend: its call returns 1. */
int xen_domain_resume(struct xen *x, uint32_t domid);
/* -ESRCH when there is no such domain. */
int xen_domain_info(struct xen *x, uint32_t domid, struct xen_domain_info *out);
/* 0 when the domain of that id carries `uuid`; -ESRCH when another one does, or there is none. A
 * domain whose pages are mapped keeps its id until they are unmapped: then this stays true. */
static inline int xen_domain_is(struct xen *x, uint32_t domid, const uint8_t uuid[16])
{
	struct xen_domain_info info;
	int rc = xen_domain_info(x, domid, &info);

	if (rc < 0)
		return rc;
	return memcmp(info.uuid, uuid, sizeof(info.uuid)) == 0 ? 0 : -ESRCH;
}
/* Domains with ids from `first` on, ascending; the number filled in, at most `max`. */
int xen_domain_list(struct xen *x, uint32_t first, uint32_t max, struct xen_domain_info *out);
/* weight 0 and cap UINT32_MAX leave as is; works for credit and credit2, -ENOSYS for others. */
int xen_domain_sched(struct xen *x, uint32_t domid, uint32_t weight, uint32_t cap);
/* A domain's weight, 1..65535, as credit2 has it; -ENOSYS for other schedulers. Xen
 * public/domctl.h, XEN_DOMCTL_scheduler_op. */
int xen_domain_weight(struct xen *x, uint32_t domid, uint32_t *weight);
/* For so long a vCPU that runs is not preempted by one that wakes, in microseconds; 0: not at all,
 * else 100 or more. Of credit2; -ENOSYS for other schedulers. Xen public/sysctl.h,
 * XEN_SYSCTL_scheduler_op. */
int xen_ratelimit(struct xen *x, uint32_t *us);
int xen_set_ratelimit(struct xen *x, uint32_t us);
/* Hard affinity; bit n of map = physical CPU n; `bytes` long. */
int xen_vcpu_affinity(struct xen *x, uint32_t domid, uint32_t vcpu, const uint8_t *map,
		      size_t bytes);

/* --- memory --------------------------------------------------------------------------------------
 */

/* All extents or none are given (-ENOMEM). frames[]: in gfns; for PV out the mfns. Pages of a host
 * booted with bootscrub=0 can be dirty. */
int xen_populate(struct xen *x, uint32_t domid, uint32_t n, uint32_t order, xen_pfn_t *frames);
/* Populate on demand, for a PVH domain that has no page yet: `pages` are set aside for it, and the
 * frames of xen_populate_later() get theirs out of these when something first uses them. The guest
 * gives frames back until there are no more than that. XENMEM_set_pod_target, Xen public/memory.h.
 */
int xen_set_aside(struct xen *x, uint32_t domid, uint64_t pages);
int xen_populate_later(struct xen *x, uint32_t domid, uint32_t n, uint32_t order,
		       xen_pfn_t *frames);
/* XENMEM_add_to_physmap: `space` XENMAPSPACE_*, at `gfn`. */
int xen_add_to_physmap(struct xen *x, uint32_t domid, uint32_t space, uint64_t idx, uint64_t gfn);
int xen_set_memory_map(struct xen *x, uint32_t domid, const struct e820entry *map, uint32_t n);
/* Sets so many pages of a domain aside for it, of which it gets what it has not yet when it asks
 * for it (XENMEM_claim_pages); -ENOMEM. xen_free_pages() has them no more. */
int xen_claim(struct xen *x, uint32_t domid, uint64_t pages);
int xen_set_paging_pool(struct xen *x, uint32_t domid, uint64_t bytes);
/* Maps n pages of a domain (gfns for PVH, mfns for PV) read-write, or read-only, side by side into
 * dom0. Ends with xen_unmap() of the same n; nothing else frees it. All or none. */
int xen_map(struct xen *x, uint32_t domid, bool writable, uint32_t n, const xen_pfn_t *frames,
	    void **out);
void xen_unmap(struct xen *x, void *addr, uint32_t n);

/* --- grants --------------------------------------------------------------------------------------
 */

/* Lets dom0 use n pages of a domain that does not run yet: writes version 1 entries for the
 * references first, first + 1, ... into its grant table. frames[] as in xen_map(). */
int xen_grant_seed(struct xen *x, uint32_t domid, uint32_t first, uint32_t n,
		   const xen_pfn_t *frames);
/* The first page of a domain's grant table, mapped: the domain writes into it, too. Ends with
 * xen_grants_unmap(), before the domain is destroyed. */
struct xen_grants;
int xen_grants_map(struct xen *x, uint32_t domid, struct xen_grants **out);
void xen_grants_unmap(struct xen *x, struct xen_grants *g); /* NULL is fine */
/* Domain `to` may map the frame (as in xen_map()) by reference `ref`, below XEN_GRANTS. */
#define XEN_GRANTS 512u
void xen_grant_give(struct xen_grants *g, uint32_t ref, uint32_t to, uint32_t frame);
/* No more; what is mapped stays so until it is unmapped. True: nothing is. */
bool xen_grant_take_back(struct xen_grants *g, uint32_t ref);
/* Machine frames of the first n pages of a PV domain's grant table, which grows to that; n at most
 * XEN_GRANT_FRAMES. GNTTABOP_setup_table, Xen public/grant_table.h. */
#define XEN_GRANT_FRAMES 8u
int xen_grant_frames(struct xen *x, uint32_t domid, uint32_t n, uint64_t *mfns);
/* Maps a page that a domain has granted to dom0, by its reference, read-write: ends with
 * xen_grant_unmap(). The domain goes when that was called. -EINVAL: it grants no such page. */
int xen_grant_map(struct xen *x, uint32_t domid, uint32_t ref, void **out);
void xen_grant_unmap(struct xen *x, void *addr);

/* --- vCPUs and PV page tables --------------------------------------------------------------------
 */

int xen_vcpu_context(struct xen *x, uint32_t domid, uint32_t vcpu, vcpu_guest_context_any_t *ctx);
/* Whole HVM save records; get with buf NULL returns the size needed. */
int xen_hvm_context_get(struct xen *x, uint32_t domid, void *buf, uint32_t bytes);
int xen_hvm_context_set(struct xen *x, uint32_t domid, const void *buf, uint32_t bytes);
int xen_hvm_param_set(struct xen *x, uint32_t domid, uint32_t param, uint64_t value);
int xen_hvm_param_get(struct xen *x, uint32_t domid, uint32_t param, uint64_t *value);
/* MMUEXT_PIN_L4_TABLE of `mfn` for a PV domain. */
int xen_pin_l4(struct xen *x, uint32_t domid, uint64_t mfn);
/* The default CPU policy of the host for this kind of guest (what xl gives by default). */
int xen_cpuid_default(struct xen *x, uint32_t domid);
int xen_tsc_default(struct xen *x, uint32_t domid);

/* --- saving and restoring ------------------------------------------------------------------------
 */

/* -ENODATA: that vCPU was never started. */
int xen_vcpu_context_get(struct xen *x, uint32_t domid, uint32_t vcpu,
			 vcpu_guest_context_any_t *ctx);
/* A PV vCPU as before its first context: it holds no page table any more. */
int xen_vcpu_reset(struct xen *x, uint32_t domid, uint32_t vcpu);
/* The CPU record of a PVH vCPU (Xen public/arch-x86/hvm/save.h), without its descriptor; `bytes` is
 * HVM_SAVE_LENGTH(CPU). -ENODATA: that vCPU is down. */
int xen_hvm_cpu_get(struct xen *x, uint32_t domid, uint32_t vcpu, void *buf, uint32_t bytes);
/* An entry of a page table of level 1 and what it is to be. */
struct xen_pte {
	uint64_t at;	/* in bytes of the machine */
	uint64_t value; /* 0: nothing */
};
/* Sets n of a PV domain's entries, which name frames of `owner`: itself, or another one. Xen checks
 * each as its guest's; the domain does not run, or they were empty. mmu_update, Xen public/xen.h.
 * -ENOSYS: not for this dom0 (PVH). */
int xen_set_entries(struct xen *x, uint32_t domid, uint32_t owner, uint32_t n,
		    const struct xen_pte *pte);
/* What of CPUs domains of a kind can be given on this host, at the most: words of
 * XEN_SYSCTL_get_cpu_featureset, at most `max`; how many there are. */
int xen_cpu_features(struct xen *x, bool hvm, uint32_t max, uint32_t *words);
/* Undoes xen_pin_l4(). */
int xen_unpin(struct xen *x, uint32_t domid, uint64_t mfn);
/* Of each frame what it is to Xen: XEN_DOMCTL_PFINFO_* (Xen public/domctl.h) in its place. */
#define XEN_TYPES_MAX 1024u /* asked for at a time */
int xen_page_types(struct xen *x, uint32_t domid, uint32_t n, xen_pfn_t *frames);
/* Which frame of its PV domain a machine frame is; that domain can set it to any value. -ENOENT:
 * there is no such machine frame. What is mapped for it stays so until xen_close(). */
int xen_m2p(struct xen *x, uint64_t mfn, uint64_t *gfn);

/* Which frames a domain writes while it runs. Xen notes them from xen_dirty_start() on until
 * xen_dirty_stop(), whatever becomes of this process. -EOPNOTSUPP: not for PV domains (Debian's
 * Xen). XEN_DOMCTL_shadow_op. */
int xen_dirty_start(struct xen *x, uint32_t domid);
/* Those below `frames` (a multiple of 64) that were written since the start or the last call, as
 * bits; with `last` (it does not run) also those that Xen itself keeps writing. What dom0 writes by
 * a mapping of its own is not noted. */
int xen_dirty_take(struct xen *x, uint32_t domid, uint64_t frames, bool last, uint64_t *bits);
/* 0 also when nothing was noted. */
int xen_dirty_stop(struct xen *x, uint32_t domid);

/* --- event channels ------------------------------------------------------------------------------
 */

/* A port in `domid` that dom0 may bind to. */
int xen_evtchn_alloc(struct xen *x, uint32_t domid, uint32_t remote, uint32_t *port);
/* A port of dom0's own that `domid` may bind to; the domain need not exist yet. When it dies the
 * port waits for the next domain of that id. */
int xen_evtchn_reserve(struct xen *x, uint32_t domid, uint32_t *port);
/* The first port of `domid` from `first` on and below `limit` that waits for dom0 to bind to it:
 * what is left when dom0's end was closed, or was never bound. -ENOENT: none. */
int xen_evtchn_find(struct xen *x, uint32_t domid, uint32_t first, uint32_t limit, uint32_t *port);
/* Dom0's own ports. One fd for all of them: poll for reading, then xen_evtchn_pending(). A port
 * that came out of pending() is masked until unmask(). */
int xen_evtchn_fd(struct xen *x);
int xen_evtchn_bind(struct xen *x, uint32_t domid, uint32_t remote_port, uint32_t *port);
int xen_evtchn_bind_virq(struct xen *x, uint32_t virq, uint32_t *port);
int xen_evtchn_unbind(struct xen *x, uint32_t port);
/* Closes all ports of another domain; dom0's that were bound to them wait for it to bind again. */
int xen_evtchn_reset(struct xen *x, uint32_t domid);
int xen_evtchn_notify(struct xen *x, uint32_t port);
/* -EAGAIN when none is pending. */
int xen_evtchn_pending(struct xen *x, uint32_t *port);
int xen_evtchn_unmask(struct xen *x, uint32_t port);

#endif
