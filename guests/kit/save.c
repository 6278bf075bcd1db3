/* SPDX-License-Identifier: BSD-3-Clause */
/* Continues as another domain, after a save and restore or as a copy: noxs/abi.h. The kit has
 * few things that belong to a domain: its channel, its devices, and time. (vCPU registers, with
 * the trap table, are restored; it registers nothing with Xen, and polls.) */
#include "kit.h"

#include <xen/sched.h>

#include "dev.h"
#include "hypercall.h"

void kit_can_save(void)
{
	kit_pages_find();
	/* The code of the kit uses only general registers of a vCPU. */
	kit.control->can = NOXS_CAN_SAVE | NOXS_CAN_SUSPEND | NOXS_CAN_PLAIN | NOXS_CAN_DEVICES;
}

void kit_cannot_save(void)
{
	if (kit.page)
		kit.control->can = 0;
}

/* Held by the vCPU that handles a new domain. Two generations may follow so quickly that it
 * still handles the last one: then it finishes that, and handles the new one. */
static uint32_t taking;

static void lock_taking(void)
{
	while (__atomic_exchange_n(&taking, 1, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static void unlock_taking(void)
{
	__atomic_store_n(&taking, 0, __ATOMIC_RELEASE);
}

/* False: another vCPU has done it. */
static bool take_up(void)
{
	uint64_t now = __atomic_load_n(&kit.page->generation, __ATOMIC_ACQUIRE);

	if (now == kit.generation)
		return false;
	kit.start_ns = kit_time_ns();
	kit_find_port();
	kit.listeners = 0; /* their ports are of the other domain */
	kit_listen(kit.port);
	if (kit.resume_devices)
		kit.resume_devices();
	__atomic_store_n(&kit.generation, now, __ATOMIC_RELEASE);
	return true;
}

void kit_look_around(void)
{
	bool taken;

	if (!kit.page || __atomic_load_n(&kit.page->generation, __ATOMIC_ACQUIRE) ==
				 __atomic_load_n(&kit.generation, __ATOMIC_ACQUIRE))
		return;
	lock_taking();
	taken = take_up();
	unlock_taking();
	if (!taken)
		return;
	if (kit.at_resume)
		kit.at_resume();
	kit_notify();
}

void kit_suspend(void)
{
	struct sched_shutdown arg = {.reason = SHUTDOWN_suspend};

	if (!(kit.control->can & NOXS_CAN_SUSPEND))
		return;
	if (kit.quiesce_devices && !kit.quiesce_devices())
		return;
	/* A suspend stops the other vCPUs anywhere: none may be in the middle of changing rings. */
	lock_taking();
	unlock_taking();
	(void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &arg);
	kit_look_around();
}
