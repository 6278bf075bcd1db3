/* SPDX-License-Identifier: BSD-3-Clause */
/* What shells of the pool are made for. */
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

/* Type, vCPUs and memory of a create must be the same. */
struct pool_flavor {
	enum dom_type type;
	uint32_t vcpus;
	uint64_t mem_kib;
	char *image; /* absolute path or image:NAME: warm shells of it; NULL: for any image ... */
	bool for_linux; /* ... of Linux, or (false) with a noxs entry */
	bool fork;	/* for VMs whose guests may have children, and these */
	bool no_gate;	/* with an image: its shells stay paused though it can wait at a gate */
	char *ramdisk;	/* Linux, with an image: absolute path; may be NULL */
	/* A snapshot: shells are copies of it, for creates from it. Type, vCPUs and memory are the
	 * snapshot's, all else above is nothing. NULL: none. */
	char *from;
	bool overcommit; /* of copies that share pages: those that they may come to need are not
			  * set aside */
	/* Of copies of guests without a noxs entry, as texts (booted_plan.h): when they are ready
	 * to wait, and what their first vif gets. "": none. */
	char ready_when[POOL_WHEN_MAX], macs[POOL_RANGE_MAX], ips[POOL_RANGE_MAX];
	enum pool_disks disks; /* what they get of the disks of the snapshot's VM */
	/* of noxs guests: so many devices, exactly; vifs are connected ahead, disks when claimed */
	uint32_t vifs, vbds;
	enum device_backend backend; /* of the vifs */
	char bridge[DEVICE_NAME];    /* the vifs are in it while they wait, "": in none */
	uint32_t low, high; /* shells there are at least and at most; high 0 ends the flavor */
	/* for readers */
	uint32_t target; /* in between, by demand */
	uint32_t ready;
	uint64_t hits, misses;
};

#define POOL_TARGET_MAX 4096u

#endif
