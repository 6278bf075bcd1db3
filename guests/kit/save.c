/* SPDX-License-Identifier: BSD-3-Clause */
/* Going on as another domain, after a save and restore or as a copy: noxs/abi.h. The kit keeps few
 * things of a domain: its channel, its devices, and time. (vCPU registers, the trap table among
 * them, come along; it registers nothing with Xen, and polls.) */
#include "kit.h"

#include <xen/sched.h>

#include "dev.h"
#include "hypercall.h"

void kit_can_save(void)
{
	kit_pages_find();
	/* What is compiled for the kit uses no more of a vCPU than general registers. */
	kit.control->can = NOXS_CAN_SAVE | NOXS_CAN_SUSPEND | NOXS_CAN_PLAIN | NOXS_CAN_DEVICES;
}

void kit_cannot_save(void)
{
	if (kit.page)
		kit.control->can = 0;
}

void kit_look_around(void)
{
	static uint64_t taken; /* by one vCPU, which is at it or has done it */
	uint64_t old = kit.generation;
	uint64_t now;

	if (!kit.page)
		return;
	now = __atomic_load_n(&kit.page->generation, __ATOMIC_ACQUIRE);
	if (now == old)
		return;
	if (__atomic_exchange_n(&taken, now, __ATOMIC_ACQ_REL) == now) {
		while (__atomic_load_n(&kit.generation, __ATOMIC_ACQUIRE) != now)
			__builtin_ia32_pause();
		return;
	}
	kit.start_ns = kit_time_ns();
	kit_find_port();
	kit.listeners = 0; /* their ports are of the other domain */
	kit_listen(kit.port);
	if (kit.resume_devices)
		kit.resume_devices();
	__atomic_store_n(&kit.generation, now, __ATOMIC_RELEASE);
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
	(void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &arg);
	kit_look_around();
}
