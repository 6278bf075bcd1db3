/* SPDX-License-Identifier: BSD-3-Clause */
/* One device as bytes of a VM's record. Pure. */
#ifndef CHAOS_ENGINE_REGISTRY_DEVICE_RECORD_H
#define CHAOS_ENGINE_REGISTRY_DEVICE_RECORD_H

#include <stddef.h>

#include "libdom/libdom.h"
#include "split-toolstack/engine/config/device_config.h"

size_t device_record_bytes(const struct device_config *d);
/* Writes so many bytes; returns the first one behind them. Open files are not kept. */
uint8_t *device_record_put(uint8_t *to, const struct device_config *d);
/* Moves *at behind it. False: these bytes, up to `end`, are none; `d` is to be cleared in any case.
 */
bool device_record_get(const uint8_t **at, const uint8_t *end, struct device_config *d);

/* CPUs of a VM: n bitmaps of `bytes` each, or one of all vCPUs with n 0; false: cut short. */
bool cpus_record_get(const uint8_t **at, const uint8_t *end, uint32_t bytes, uint32_t n,
		     struct dom_cpus *c);

#endif
