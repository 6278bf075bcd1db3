/* SPDX-License-Identifier: BSD-3-Clause */
/* A record as bytes. */
#ifndef CHAOS_ENGINE_REGISTRY_RECORD_H
#define CHAOS_ENGINE_REGISTRY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "split-toolstack/engine/registry/record-t.h"

#define RECORD_TEXTS 4u /* name, kernel, ramdisk, cmdline */

struct record {
	uint32_t version;
	uint32_t state, reason;
	int32_t exit_code;
	uint32_t domid, guest_port;
	uint32_t type, vcpus, weight, cap;
	uint32_t on_poweroff, on_reboot, on_crash;
	uint32_t restarts;
	uint16_t noxs, spare_rings; /* older daemons look at both as one bool */
	uint16_t ready;		    /* and whether it has an agent's channel */
	uint16_t store_port;	    /* a new domain's first ports are small */
	uint64_t mem_kib, maxmem_kib, pages;
	uint64_t dev_frame, control_frame;
	uint64_t created_ns, started_ns, ended_ns;
	uint32_t text[RECORD_TEXTS]; /* lengths of the strings that follow, NO_TEXT for none */
	uint32_t cpumap_bytes;
	uint32_t ndevice; /* that follow the bitmaps */
	/* from version 3 on */
	uint32_t ncpumap; /* bitmaps of cpumap_bytes each; 0: one, of all vCPUs */
	uint32_t maxvcpus;
	struct dom_limits limits;
	uint32_t want; /* enum vm_want; older daemons leave it 0 and do not read it */
};

/* Writes what is known of a VM, if that is no more than `room` bytes; returns how many it is. */
size_t record_write(const struct vm_record *v, uint8_t *to, size_t room);
/* Fills all but the uuid; `cfg` is fresh, becomes v->cfg, and is to be cleared in any case. False:
 * the bytes are of no form that is known, or there is no memory (errno is ENOMEM then). */
bool record_read(struct vm_record *v, struct vm_config *cfg, const uint8_t *data, size_t size);

#endif
