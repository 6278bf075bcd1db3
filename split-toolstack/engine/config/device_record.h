/* SPDX-License-Identifier: BSD-3-Clause */
/* A device as bytes of a VM's record. No side effects. */
#ifndef CHAOS_ENGINE_CONFIG_DEVICE_RECORD_H
#define CHAOS_ENGINE_CONFIG_DEVICE_RECORD_H

#include <stddef.h>

#include "split-toolstack/engine/config/device_config.h"

#define DEVICE_PATH_MAX 4096u /* of the text after the fixed part */

/* The fixed part, the same for all kinds; a kind uses what it needs, and 0 for the rest. */
struct device_record {
	uint32_t kind, id; /* devid or vdev */
	uint32_t flags;
	uint32_t path_bytes; /* that follow */
	uint64_t size;	     /* vif: bytes per rate_us; vbd: its sectors, 0: not known */
	uint32_t rate_us, mtu;
	uint8_t ipv4[4], ipv4_gateway[4], ipv6[16], ipv6_gateway[16];
	uint8_t ipv4_prefix, ipv6_prefix;
	uint8_t mac[6];
	char bridge[DEVICE_NAME], ifname[DEVICE_NAME];
	char ip_text[sizeof(((struct vif_config *)NULL)->ip_text)];
};

size_t device_record_bytes(const struct device_config *d);
/* Writes the device; returns the place after its bytes. Open files are not recorded. */
uint8_t *device_record_put(uint8_t *to, const struct device_config *d);
/* Reads a device and moves *at behind it. False: the bytes up to `end` are not valid. `d` must
 * be cleared in any case. */
bool device_record_get(const uint8_t **at, const uint8_t *end, struct device_config *d);

#endif
