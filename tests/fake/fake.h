/* SPDX-License-Identifier: BSD-3-Clause */
/* A hypervisor that counts what is open and can fail: linked in place of base/xen_libxc.c. */
#ifndef CHAOS_FAKE_H
#define CHAOS_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/xen.h"

/* What is held at the moment, over all handles. */
struct fake_count {
	uint32_t handles, domains, guest_ports, mapped_pages, populated_pages;
	uint32_t ports, reserved; /* bound to something; waiting for a domain of some id */
};
void fake_count(struct fake_count *out);

/* The nth call from now on that can fail returns -error, once; 0: none. */
void fake_fail_at(uint32_t nth, int error);
/* How many calls that can fail there were since fake_fail_at(). */
uint32_t fake_calls(void);
/* The name of the call that failed, or NULL. */
const char *fake_failed(void);

/* Lets a domain end as Xen would: shut down with SHUTDOWN_*, or gone without a word. */
void fake_end(uint32_t domid, uint32_t reason);
void fake_vanish(uint32_t domid);
/* What guests that are let run to their gate do from now on; at first they wait there. */
enum fake_gate { FAKE_WAITS, FAKE_NEVER_COMES, FAKE_DOES_NOT_WAIT };
void fake_set_gate(enum fake_gate g);
/* Its vCPUs run, or (not busy, as at first) are blocked. */
void fake_busy(uint32_t domid, bool busy);
/* It uses so much more CPU time, in us. */
void fake_spend(uint32_t domid, uint64_t us);
/* How a domain was made, and what it has; false when there is none. */
struct fake_domain {
	struct xen_domain_config config;
	uint64_t pages;	  /* populated, or set aside for what is populated on demand */
	uint64_t later;	  /* frames that are populated on demand */
	uint64_t ram_kib; /* in its memory map */
	uint64_t max_kib; /* that it may have */
};
bool fake_domain(uint32_t domid, struct fake_domain *out);
/* An entry of a domain's grant table that was given with xen_grant_give(); false: it permits
 * nothing (any more). Its grantee maps or unmaps it. */
struct fake_grant {
	bool permitted, mapped;
	uint32_t to, frame;
};
bool fake_grant(uint32_t domid, uint32_t ref, struct fake_grant *out);
void fake_grant_map(uint32_t domid, uint32_t ref, bool mapped);
/* Raises the event of dom0's port that belongs to the domain's channel. */
void fake_event(uint32_t domid);
/* Called as a domain is paused: what the guest has done just before. NULL: nothing. */
extern void (*fake_at_pause)(uint32_t domid);
/* The guest has written a frame, which is noted if that was asked for; whether it is. */
void fake_wrote(uint32_t domid, uint64_t frame);
bool fake_notes(uint32_t domid);
/* The guest's view of one of its frames, as xen_map() would name it. */
void *fake_page(uint32_t domid, uint64_t frame);
/* Forgets dom0's handles as the death of a process does: ports and mappings go, domains stay. */
void fake_process_died(void);
/* Everything away, for the next test. */
void fake_reset(void);

/* The NUMA nodes of the host's n CPUs, XEN_NO_CPU for none; 2 CPUs on node 0 unless set. */
#define FAKE_CPUS 16u
void fake_set_cpus(const uint32_t *node, uint32_t n);
/* Whether it labels domains; not unless set. */
void fake_set_xsm(bool xsm);
/* Which of pCPUs 0 to 7 may run a vCPU, as bits; 0: that was not said. */
#define FAKE_VCPUS 8u
/* vCPUs that it has. */
uint32_t fake_vcpus(uint32_t domid);
uint8_t fake_affinity(uint32_t domid, uint32_t vcpu);

/* Xen's scheduler; 1000 us and a weight of 256 at first. */
struct fake_sched {
	uint32_t ratelimit_us, dom0_weight;
	int other; /* it is not credit2 */
};
void fake_sched_get(struct fake_sched *out);
void fake_sched_set(const struct fake_sched *s);
/* Memory comes with FAKE_DIRT in every byte from now on, as on a host that does not scrub. */
#define FAKE_DIRT 0xa5
void fake_set_dirty(bool dirty);

/* Each page of a PV domain is a page table of level 1. */
void fake_all_tables(bool on);
/* What the next children of libxenguest's stream do (xen_stream_begin()). A stream has all pages of
 * the domain. */
enum fake_stream {
	FAKE_STREAM_GOOD,
	FAKE_STREAM_CUT,    /* ends without its last record */
	FAKE_STREAM_LONG,   /* does not end */
	FAKE_STREAM_KILLED, /* the child is ended by a signal */
	FAKE_STREAM_ASLEEP, /* it does its work, and does not end */
};
void fake_stream(enum fake_stream how);

/* Free memory of the host, in pages: less by what domains are given, more when they go. */
void fake_set_free(uint64_t pages);
/* The destroy of this domain does not return until it is let go (0). */
void fake_hold_destroy(uint32_t domid);
/* Waits until it has begun. */
void fake_await_destroy(void);

#endif
