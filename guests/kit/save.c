/* SPDX-License-Identifier: BSD-3-Clause */
/* Going on as another domain, after a save and restore or as a copy: noxs/abi.h. The kit keeps few
 * things of a domain: its channel, and time. (vCPU registers, the trap table among them, come
 * along; it registers nothing with Xen, and polls.) */
#include "kit.h"

#include <xen/sched.h>

#include "dev.h"
#include "hypercall.h"

void kit_can_save(void)
{
	kit_pages_find();
	/* What is compiled for the kit uses no more of a vCPU than general registers. */
	kit.control->can = NOXS_CAN_SAVE | NOXS_CAN_SUSPEND | NOXS_CAN_PLAIN;
}

void kit_cannot_save(void)
{
	if (kit.page)
		kit.control->can = 0;
}

/* The old port out of what kit_wait() waits for, the new one in. */
static void replace_port(uint32_t old)
{
	for (uint32_t i = 0; i < kit.listeners; i++)
		if (kit.listen[i] == old)
			kit.listen[i] = kit.port;
}

void kit_look_around(void)
{
	uint64_t old = kit.generation;
	uint32_t port = kit.port;
	uint64_t now;

	if (!kit.page)
		return;
	now = __atomic_load_n(&kit.page->generation, __ATOMIC_ACQUIRE);
	/* One vCPU does it. */
	if (now == old || !__atomic_compare_exchange_n(&kit.generation, &old, now, false,
						       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	kit.start_ns = kit_time_ns();
	kit_find_port();
	replace_port(port);
	if (kit.at_resume)
		kit.at_resume();
	kit_notify();
}

void kit_suspend(void)
{
	struct sched_shutdown arg = {.reason = SHUTDOWN_suspend};

	if (!(kit.control->can & NOXS_CAN_SUSPEND))
		return;
	(void)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &arg);
	kit_look_around();
}
