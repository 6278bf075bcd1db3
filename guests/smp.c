/* SPDX-License-Identifier: BSD-3-Clause */
/* smp: starts its other vCPUs and has each report; exit code 1 if one stays silent. */
#include "kit/kit.h"

#define MAX_VCPUS 32 /* what the shared info page describes */

static volatile uint32_t up[MAX_VCPUS];
static char stacks[MAX_VCPUS][1024] __attribute__((aligned(16)));

static void other(void *arg)
{
	__atomic_store_n((volatile uint32_t *)arg, 1, __ATOMIC_RELEASE);
}

int guest_main(void)
{
	uint32_t vcpus = kit.page ? kit.page->vcpus : 1;
	int missing = 0;

	kit_traps();
	kit_ready();
	if (vcpus > MAX_VCPUS)
		vcpus = MAX_VCPUS;
	kit_print("vcpu 0 up\r\n");
	for (uint32_t id = 1; id < vcpus; id++) {
		int rc = kit_vcpu_start(id, other, (void *)(uintptr_t)&up[id],
					stacks[id] + sizeof(stacks[id]));

		for (int tries = 0; rc == 0 && tries < 500 && !up[id]; tries++)
			kit_wait(10000000);
		if (up[id])
			kit_print("vcpu %u up\r\n", id);
		else
			kit_print("vcpu %u missing (%d)\r\n", id, rc);
		missing += !up[id];
	}
	return missing ? 1 : 0;
}
