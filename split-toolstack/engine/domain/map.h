/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of a domain that chaosd holds. */
#ifndef CHAOS_ENGINE_DOMAIN_MAP_H
#define CHAOS_ENGINE_DOMAIN_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;

/* Maps device and control page of a domain side by side; of a fresh one they are zeroed. */
int domain_map(struct engine *en, uint32_t domid, uint64_t dev_frame, uint64_t control_frame,
	       bool fresh, uint8_t **map, struct err *e);

#endif
