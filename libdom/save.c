/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads from the control page whether and how a guest may be saved. */
#include "libdom/save.h"

#include <errno.h>

#include <noxs/abi.h>

#include "base/shared.h"

int save_check(const volatile void *control, struct err *e)
{
	const volatile struct noxs_control *c = control;

	if (shared_load(&c->can) & NOXS_CAN_SAVE)
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "its image does not say that it can be saved and continued elsewhere "
		       "(noxs(7), bit save)");
}

bool save_can_suspend(const volatile void *control)
{
	const volatile struct noxs_control *c = control;

	return (shared_load(&c->can) & NOXS_CAN_SUSPEND) != 0;
}

bool save_can_devices(const volatile void *control)
{
	const volatile struct noxs_control *c = control;

	return (shared_load(&c->can) & NOXS_CAN_DEVICES) != 0;
}

uint64_t save_pages_touched(const volatile void *control, uint64_t pages)
{
	const volatile struct noxs_control *c = control;
	uint64_t from = shared_load(&c->untouched_gfn);
	uint64_t end = shared_load(&c->untouched_end);

	if (end > pages)
		end = pages;
	return from < end ? pages - (end - from) : pages;
}
