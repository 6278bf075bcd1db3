/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows of the tables of devices. */
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"

#define KIND_ROW(name, low)    engine_devices(en)->kinds[DEVICE_##name] = &low##_ops;
#define BACKEND_ROW(name, low) engine_devices(en)->backends[BACKEND_##name] = &low##_backend_ops;

void rows_choose(struct engine *en)
{
	DEVICE_KIND_LIST(KIND_ROW)
	DEVICE_BACKEND_LIST(BACKEND_ROW)
	if (engine_store_mode(en) == STORE_BESIDE)
		engine_devices(en)->backends[BACKEND_KERNEL] = &mirrored_backend_ops;
}
