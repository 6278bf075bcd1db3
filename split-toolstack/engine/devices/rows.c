/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows of the tables of devices. */
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"

void rows_choose(struct engine *en)
{
#define ROW(name, NUMBER) engine_devices(en)->kinds[DEVICE_##NUMBER] = &name##_ops;
	DEVICE_KINDS_ALL(ROW)
	engine_devices(en)->backends[BACKEND_KERNEL] =
		engine_store_mode(en) == STORE_BESIDE ? &mirrored_backend_ops : &kernel_backend_ops;
	engine_devices(en)->backends[BACKEND_USER] = &user_backend_ops;
}
