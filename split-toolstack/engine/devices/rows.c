/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows of the tables of devices. */
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"

void rows_choose(struct engine *en)
{
	en->devices->kinds[DEVICE_VIF] = &vif_ops;
	en->devices->kinds[DEVICE_VBD] = &vbd_ops;
	en->devices->backends[BACKEND_KERNEL] =
		en->store == STORE_BESIDE ? &mirrored_backend_ops : &kernel_backend_ops;
	en->devices->backends[BACKEND_USER] = &user_backend_ops;
}
