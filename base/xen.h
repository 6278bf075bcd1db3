/* SPDX-License-Identifier: BSD-3-Clause */
/* The interface to Xen: every hypercall and every mapping in dom0 goes through these functions. */
#ifndef CHAOS_BASE_XEN_H
#define CHAOS_BASE_XEN_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <xenctrl.h>

#include "base/err.h"

/* base/xen_libxc.c implements it with libxenctrl, libxenforeignmemory and libxenevtchn. Unit
 * tests link tests/fake/ instead, which counts open handles and can make the Nth call fail. All
 * functions return >= 0 or a negative errno and log nothing. A struct xen is for one thread; a
 * worker opens its own. Numbers are Xen's: domid 0..0x7fef, gfn and mfn in pages of 4 KiB. */
struct xen;

/* Opens privcmd, evtchn and the hypercall interface. `e` says what is missing: not a Xen host,
 * no permission, modules not loaded. */
int xen_open(struct xen **out, struct err *e);
/* Closes all handles; NULL is allowed. All mappings and ports must have been released before. */
void xen_close(struct xen *x);

/* The raw handle for libxenguest's builder; only libdom/linux*.c may use it. NULL on the fake. */
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
/* Whether Xen labels domains (XSM with FLASK); also true if Xen does not answer. */
bool xen_has_xsm(struct xen *x);
/* Number of free pages; one cheap hypercall. */
int xen_free_pages(struct xen *x, uint64_t *out);

#define XEN_NO_CPU UINT32_MAX
/* The physical CPUs by id. */
struct xen_cpus {
	uint32_t n;	/* ids are 0 to n - 1 */
	uint32_t *node; /* NUMA node of each id; XEN_NO_CPU: there is no CPU with that id */
};
/* `out->node` is malloced; the caller frees it. -ENOMEM. XEN_SYSCTL_cputopoinfo. */
int xen_host_cpus(struct xen *x, struct xen_cpus *out);

/* --- domains -------------------------------------------------------------------------------------
 */

struct xen_domain_config {
	bool hvm; /* a PVH guest with HAP, whose only emulated device is the LAPIC; otherwise PV */
	uint32_t domid; /* the id to use, 1..0x7fef; 0: Xen chooses */
	uint8_t uuid[16];
	uint32_t max_vcpus;
	uint32_t max_evtchn_port;
	uint32_t max_grant_frames; /* XEN_HOST_LIMIT: the largest value that Xen was booted with */
	uint32_t max_maptrack_frames; /* the same */
	uint32_t grant_version; /* 1 or 2: the highest version allowed; 0: the host's highest */
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

/* Creates a domain; *domid gets its id. -EEXIST if the requested id is in use (Xen would choose
 * another id; this function destroys that domain and fails). Xen public/domctl.h,
 * XEN_DOMCTL_createdomain. */
int xen_domain_create(struct xen *x, const struct xen_domain_config *c, uint32_t *domid);
int xen_domain_max_vcpus(struct xen *x, uint32_t domid, uint32_t vcpus);
int xen_domain_max_mem(struct xen *x, uint32_t domid, uint64_t kib);
/* Destroys the domain with that id if its uuid is `uuid`; -ESRCH if it does not exist, or the id
 * belongs to another domain. The uuid is checked just before, because Xen has no call that does
 * both. Synchronous; takes time in proportion to the guest's memory. If pages of the domain are
 * still mapped, it stays as a zombie: unmap them first. */
int xen_domain_destroy(struct xen *x, uint32_t domid, const uint8_t uuid[16]);
/* Gives a domain another uuid. */
int xen_domain_set_uuid(struct xen *x, uint32_t domid, const uint8_t uuid[16]);
int xen_domain_pause(struct xen *x, uint32_t domid);
int xen_domain_unpause(struct xen *x, uint32_t domid);
/* Continues a domain that has shut down with SHUTDOWN_suspend: its hypercall returns 1. */
int xen_domain_resume(struct xen *x, uint32_t domid);
/* -ESRCH if there is no such domain. */
int xen_domain_info(struct xen *x, uint32_t domid, struct xen_domain_info *out);
/* 0 if the domain with that id has `uuid`; -ESRCH if another domain has the id, or none. A
 * domain keeps its id while its pages are mapped. */
static inline int xen_domain_is(struct xen *x, uint32_t domid, const uint8_t uuid[16])
{
	struct xen_domain_info info;
	int rc = xen_domain_info(x, domid, &info);

	if (rc < 0)
		return rc;
	return memcmp(info.uuid, uuid, sizeof(info.uuid)) == 0 ? 0 : -ESRCH;
}
/* Lists domains with ids from `first` on, in ascending order; returns their number, at most
 * `max`. */
int xen_domain_list(struct xen *x, uint32_t first, uint32_t max, struct xen_domain_info *out);
/* Sets scheduling parameters; weight 0 and cap UINT32_MAX mean no change. For credit and
 * credit2; -ENOSYS for other schedulers. */
int xen_domain_sched(struct xen *x, uint32_t domid, uint32_t weight, uint32_t cap);
/* The weight of a domain, 1..65535, with credit2; -ENOSYS for other schedulers. Xen
 * public/domctl.h, XEN_DOMCTL_scheduler_op. */
int xen_domain_weight(struct xen *x, uint32_t domid, uint32_t *weight);
/* credit2's rate limit: for this many microseconds a running vCPU is not preempted by one that
 * wakes up; 0: no limit, otherwise 100 or more. -ENOSYS for other schedulers. Xen
 * public/sysctl.h, XEN_SYSCTL_scheduler_op. */
int xen_ratelimit(struct xen *x, uint32_t *us);
int xen_set_ratelimit(struct xen *x, uint32_t us);
/* Sets the hard affinity: bit n of map is physical CPU n; `bytes` is the length of map. */
int xen_vcpu_affinity(struct xen *x, uint32_t domid, uint32_t vcpu, const uint8_t *map,
		      size_t bytes);

/* --- memory --------------------------------------------------------------------------------------
 */

/* Gives a domain n extents of memory, all or none (-ENOMEM). frames[]: gfns on input; for PV the
 * mfns on output. On a host booted with bootscrub=0 the pages may have old contents. */
int xen_populate(struct xen *x, uint32_t domid, uint32_t n, uint32_t order, xen_pfn_t *frames);
/* Populate on demand, for a PVH domain that has no pages yet: reserves `pages` for it. The
 * frames of xen_populate_later() get pages from this reserve when they are first used. The guest
 * must return frames until it uses no more than the reserve. XENMEM_set_pod_target, Xen
 * public/memory.h. */
int xen_set_aside(struct xen *x, uint32_t domid, uint64_t pages);
int xen_populate_later(struct xen *x, uint32_t domid, uint32_t n, uint32_t order,
		       xen_pfn_t *frames);
/* XENMEM_add_to_physmap: maps a page of `space` (XENMAPSPACE_*) at `gfn`. */
int xen_add_to_physmap(struct xen *x, uint32_t domid, uint32_t space, uint64_t idx, uint64_t gfn);
int xen_set_memory_map(struct xen *x, uint32_t domid, const struct e820entry *map, uint32_t n);
/* Reserves memory so that the domain can have `pages` pages in total (XENMEM_claim_pages);
 * -ENOMEM. xen_free_pages() does not count reserved pages. */
int xen_claim(struct xen *x, uint32_t domid, uint64_t pages);
int xen_set_paging_pool(struct xen *x, uint32_t domid, uint64_t bytes);
/* Maps n pages of a domain (gfns for PVH, mfns for PV) into dom0, contiguously, read-write or
 * read-only; all or none. Unmap them with xen_unmap() and the same n. */
int xen_map(struct xen *x, uint32_t domid, bool writable, uint32_t n, const xen_pfn_t *frames,
	    void **out);
void xen_unmap(struct xen *x, void *addr, uint32_t n);

/* --- grants --------------------------------------------------------------------------------------
 */

/* Grants n pages of a domain that does not run yet to dom0: writes version 1 entries for the
 * references first, first + 1, ... into its grant table. frames[] as for xen_map(). */
int xen_grant_seed(struct xen *x, uint32_t domid, uint32_t first, uint32_t n,
		   const xen_pfn_t *frames);
/* The first page of a domain's grant table, mapped; the domain can write into it, too. Unmap it
 * with xen_grants_unmap() before the domain is destroyed. */
struct xen_grants;
int xen_grants_map(struct xen *x, uint32_t domid, struct xen_grants **out);
void xen_grants_unmap(struct xen *x, struct xen_grants *g); /* NULL is allowed */
/* Allows domain `to` to map the frame (as for xen_map()) by reference `ref`, which is below
 * XEN_GRANTS. */
#define XEN_GRANTS 512u
void xen_grant_give(struct xen_grants *g, uint32_t ref, uint32_t to, uint32_t frame);
/* Ends such a grant; a mapping that exists stays until it is unmapped. True if there is none. */
bool xen_grant_take_back(struct xen_grants *g, uint32_t ref);
/* Gets the machine frames of the first n pages of a PV domain's grant table, which grows to that
 * size; n is at most XEN_GRANT_FRAMES. GNTTABOP_setup_table, Xen public/grant_table.h. */
#define XEN_GRANT_FRAMES 8u
int xen_grant_frames(struct xen *x, uint32_t domid, uint32_t n, uint64_t *mfns);
/* Maps a page that a domain has granted to dom0, by its reference, read-write. Unmap it with
 * xen_grant_unmap(); the domain cannot be freed before. -EINVAL: there is no such grant. */
int xen_grant_map(struct xen *x, uint32_t domid, uint32_t ref, void **out);
void xen_grant_unmap(struct xen *x, void *addr);

/* --- vCPUs and PV page tables --------------------------------------------------------------------
 */

int xen_vcpu_context(struct xen *x, uint32_t domid, uint32_t vcpu, vcpu_guest_context_any_t *ctx);
/* All HVM save records of a domain. The get function with buf NULL returns the size needed. */
int xen_hvm_context_get(struct xen *x, uint32_t domid, void *buf, uint32_t bytes);
int xen_hvm_context_set(struct xen *x, uint32_t domid, const void *buf, uint32_t bytes);
int xen_hvm_param_set(struct xen *x, uint32_t domid, uint32_t param, uint64_t value);
int xen_hvm_param_get(struct xen *x, uint32_t domid, uint32_t param, uint64_t *value);
/* MMUEXT_PIN_L4_TABLE of `mfn` for a PV domain. */
int xen_pin_l4(struct xen *x, uint32_t domid, uint64_t mfn);
/* Sets the host's default CPU policy for this kind of guest (the one that xl uses by default). */
int xen_cpuid_default(struct xen *x, uint32_t domid);
int xen_tsc_default(struct xen *x, uint32_t domid);

/* --- saving and restoring ------------------------------------------------------------------------
 */

/* The state of a PV vCPU; -ENODATA: the vCPU was never started. */
int xen_vcpu_context_get(struct xen *x, uint32_t domid, uint32_t vcpu,
			 vcpu_guest_context_any_t *ctx);
/* Sets a PV vCPU back to the state before its first context, so that it uses no page table. */
int xen_vcpu_reset(struct xen *x, uint32_t domid, uint32_t vcpu);
/* The CPU record of a PVH vCPU (Xen public/arch-x86/hvm/save.h), without its descriptor; `bytes` is
 * HVM_SAVE_LENGTH(CPU). -ENODATA: that vCPU is down. */
int xen_hvm_cpu_get(struct xen *x, uint32_t domid, uint32_t vcpu, void *buf, uint32_t bytes);
/* The address of a level 1 page table entry, and its new value. */
struct xen_pte {
	uint64_t at;	/* machine address, in bytes */
	uint64_t value; /* 0: not present */
};
/* Sets n page table entries of a PV domain; they map frames of `owner`, the domain itself or
 * another one. Xen checks each entry as it checks those of the guest. The domain must not run,
 * or the entries must have been empty. mmu_update, Xen public/xen.h. -ENOSYS: dom0 is PVH. */
int xen_set_entries(struct xen *x, uint32_t domid, uint32_t owner, uint32_t n,
		    const struct xen_pte *pte);
/* The CPU features that this host can give to domains of this kind: words of
 * XEN_SYSCTL_get_cpu_featureset, at most `max`. Returns their number. */
int xen_cpu_features(struct xen *x, bool hvm, uint32_t max, uint32_t *words);
/* Undoes xen_pin_l4(). */
int xen_unpin(struct xen *x, uint32_t domid, uint64_t mfn);
/* Replaces each frame number by its type, XEN_DOMCTL_PFINFO_* (Xen public/domctl.h). */
#define XEN_TYPES_MAX 1024u /* frames in one call */
int xen_page_types(struct xen *x, uint32_t domid, uint32_t n, xen_pfn_t *frames);
/* Gets the guest frame of a machine frame of a PV domain. The domain can set this value to
 * anything. -ENOENT: there is no such machine frame. The pages mapped for this stay mapped until
 * xen_close(). */
int xen_m2p(struct xen *x, uint64_t mfn, uint64_t *gfn);

/* Log-dirty mode: Xen records which frames a domain writes, from xen_dirty_start() to
 * xen_dirty_stop(), even if this process ends. -EOPNOTSUPP: not for PV domains (Debian's Xen).
 * XEN_DOMCTL_shadow_op. */
int xen_dirty_start(struct xen *x, uint32_t domid);
/* Gets a bitmap of the frames below `frames` (a multiple of 64) that were written since the
 * start or the last call. With `last` (the domain does not run) it includes the frames that Xen
 * itself writes. Writes of dom0 through its own mappings are not recorded. */
int xen_dirty_take(struct xen *x, uint32_t domid, uint64_t frames, bool last, uint64_t *bits);
/* 0 also if the mode was off. */
int xen_dirty_stop(struct xen *x, uint32_t domid);

/* --- libxenguest's stream of a PV domain ---------------------------------------------------------
 *
 * For PV guests that are not of our own builder: only libxenguest knows how their kernels keep
 * the list of their frames. Its calls block from start to end, print, and read data that can come
 * from others, so each runs in a child process. The child has no files except its end of a pipe
 * and Xen's devices, a limit of memory and of CPU time, and a list of allowed system calls. It
 * still has all of Xen's calls, because Xen's driver cannot restrict these to one domain: check
 * the stream before it is given to the child (libdom/save_records.h).
 */

struct xen_stream_want {
	bool restore; /* otherwise the domain is saved, which has shut down with SHUTDOWN_suspend */
	uint32_t domid;
	uint64_t frames;		   /* of the domain; for the limits */
	uint32_t store_port, console_port; /* for a restore: ports of the domain */
};

struct xen_stream_result {
	/* of a restore: machine frames of the rings of store and console, as the child reports
	 * them */
	uint64_t store_mfn, console_mfn;
	char why[160]; /* what libxenguest says about a failure; may be empty */
};

struct xen_stream;
/* Starts the child. *fd: this end of the pipe, which does not block: the stream is read from it, or
 * for a restore written to it. The caller closes it. */
int xen_stream_begin(const struct xen_stream_want *w, struct xen_stream **out, int *fd);
/* Waits until the child has ended by itself, or the file `cancel` has something to read: 0,
 * -ECANCELED, or -errno: it could not wait. Close *fd before. */
int xen_stream_wait(const struct xen_stream *s, int cancel);
/* Ends the child (`stop`), or waits until it has done its work: close *fd before. Frees `s`. 0, or
 * -errno of libxenguest; -EINTR: the child was ended by a signal. */
int xen_stream_end(struct xen_stream *s, bool stop, struct xen_stream_result *r);
/* The number of guest frames that the kernel of a PV domain says it has, most of them with pages.
 */
int xen_guest_frames(struct xen *x, uint32_t domid, uint64_t *frames);

/* --- event channels ------------------------------------------------------------------------------
 */

/* Allocates a port in `domid` that dom0 may bind to. */
int xen_evtchn_alloc(struct xen *x, uint32_t domid, uint32_t remote, uint32_t *port);
/* Allocates a port in dom0 that `domid` may bind to; the domain need not exist yet. When that
 * domain ends, the port can be bound by the next domain with the same id. */
int xen_evtchn_reserve(struct xen *x, uint32_t domid, uint32_t *port);
/* Finds the first port of `domid`, from `first` on and below `limit`, to which dom0 can bind:
 * one whose dom0 end was closed or never bound. -ENOENT: none. */
int xen_evtchn_find(struct xen *x, uint32_t domid, uint32_t first, uint32_t limit, uint32_t *port);
/* dom0's own ports. There is one fd for all of them: poll it for reading, then call
 * xen_evtchn_pending(). A port that pending() has returned is masked until unmask(). */
int xen_evtchn_fd(struct xen *x);
int xen_evtchn_bind(struct xen *x, uint32_t domid, uint32_t remote_port, uint32_t *port);
int xen_evtchn_bind_virq(struct xen *x, uint32_t virq, uint32_t *port);
int xen_evtchn_unbind(struct xen *x, uint32_t port);
/* Closes all ports of another domain. dom0's ports that were bound to them can be bound again by
 * the domain. */
int xen_evtchn_reset(struct xen *x, uint32_t domid);
int xen_evtchn_notify(struct xen *x, uint32_t port);
/* Returns the next pending port; -EAGAIN if there is none. */
int xen_evtchn_pending(struct xen *x, uint32_t *port);
int xen_evtchn_unmask(struct xen *x, uint32_t port);

#endif
