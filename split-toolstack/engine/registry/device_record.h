/* SPDX-License-Identifier: BSD-3-Clause */
/* A device as bytes of a VM's record. No side effects. */
#ifndef CHAOS_ENGINE_REGISTRY_DEVICE_RECORD_H
#define CHAOS_ENGINE_REGISTRY_DEVICE_RECORD_H

#include <stddef.h>

#include "libdom/libdom.h"
#include "split-toolstack/engine/config/device_config.h"

size_t device_record_bytes(const struct device_config *d);
/* Writes the device; returns the place after its bytes. Open files are not recorded. */
uint8_t *device_record_put(uint8_t *to, const struct device_config *d);
/* Reads a device and moves *at behind it. False: the bytes up to `end` are not valid. `d` must
 * be cleared in any case. */
bool device_record_get(const uint8_t **at, const uint8_t *end, struct device_config *d);

/* Reads the CPUs of a VM: n bitmaps of `bytes` each, or, with n 0, one for all vCPUs. False: not
 * enough bytes. */
bool cpus_record_get(const uint8_t **at, const uint8_t *end, uint32_t bytes, uint32_t n,
		     struct dom_cpus *c);

#endif
