/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's record as bytes. */
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
	uint16_t noxs, spare_rings; /* older daemons read both together as one bool */
	uint16_t ready;		    /* also a flag for the agent's channel */
	uint16_t store_port; /* 16 bits are enough, because the first ports of a domain are small */
	uint64_t mem_kib, maxmem_kib, pages;
	uint64_t dev_frame, control_frame;
	uint64_t created_ns, started_ns, ended_ns;
	uint32_t text[RECORD_TEXTS]; /* lengths of the strings that follow; NO_TEXT: none */
	uint32_t cpumap_bytes;
	uint32_t ndevice; /* number of devices after the bitmaps */
	/* since version 3 */
	uint32_t ncpumap; /* bitmaps of cpumap_bytes each; 0: one, for all vCPUs */
	uint32_t maxvcpus;
	struct dom_limits limits;
	uint32_t want; /* enum vm_want; older daemons write 0 and do not read it */
};

/* Writes the record if it has at most `room` bytes; returns its size. */
size_t record_write(const struct vm_record *v, uint8_t *to, size_t room);
/* Reads all except the uuid. `cfg` is initialised, becomes v->cfg, and must be cleared in any
 * case. False: the bytes are not valid, or there is no memory (errno is ENOMEM then). */
bool record_read(struct vm_record *v, struct vm_config *cfg, const uint8_t *data, size_t size);

#endif
