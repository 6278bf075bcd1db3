/* SPDX-License-Identifier: BSD-3-Clause */
/* The properties of a flavor of the pool. */
#ifndef CHAOS_ENGINE_POOL_FLAVOR_H
#define CHAOS_ENGINE_POOL_FLAVOR_H

#include <stdbool.h>
#include <stdint.h>

#include "libdom/libdom.h"
#include "split-toolstack/engine/config/device_config.h"

#define POOL_WHEN_MAX  96u
#define POOL_RANGE_MAX 48u

enum pool_disks { POOL_DISKS_SAME, POOL_DISKS_READONLY, POOL_DISKS_NONE };
/* "same", "readonly", "none" */
static inline const char *pool_disks_name(enum pool_disks d)
{
	return d == POOL_DISKS_SAME ? "same" : d == POOL_DISKS_NONE ? "none" : "readonly";
}

/* A create takes a shell only if type, vCPUs and memory are the same. */
struct pool_flavor {
	enum dom_type type;
	uint32_t vcpus;
	uint64_t mem_kib;
	char *image; /* absolute path or image:NAME: the shells have it loaded; NULL: they take any
			image ... */
	bool for_linux; /* ... of Linux, or (false) with a noxs entry */
	bool fork;	/* for VMs with `fork` and for their children */
	bool no_gate;	/* with an image: shells stay paused although it can wait at a gate */
	char *ramdisk;	/* Linux with an image: absolute path; may be NULL */
	/* A snapshot: shells are copies of it, for creates from it. Type, vCPUs and memory are
	 * those of the snapshot; the other members above are not set. NULL: none. */
	char *from;
	bool overcommit; /* copies that share pages: no memory is reserved for the pages that they
			  */
	/* For copies of guests without a noxs entry, as texts (booted_plan.h): when they are
	 * ready, and the addresses of their first vif. "": none. */
	char ready_when[POOL_WHEN_MAX], macs[POOL_RANGE_MAX], ips[POOL_RANGE_MAX];
	enum pool_disks disks; /* which disks of the snapshot's VM they get */
	/* for noxs guests: exact number of devices; vifs are connected in advance, disks when a
	 * shell is claimed */
	uint32_t vifs, vbds;
	enum device_backend backend; /* backend of the vifs */
	char bridge[DEVICE_NAME];    /* the bridge of the waiting vifs; "": none */
	uint32_t low, high; /* smallest and largest number of shells; high 0 removes the flavor */
	/* for output only */
	uint32_t target; /* current number to keep, between low and high */
	uint32_t ready;
	uint64_t hits, misses;
};

#define POOL_TARGET_MAX 4096u

#endif
