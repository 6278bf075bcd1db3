/* SPDX-License-Identifier: BSD-3-Clause */
/* crash: ready, then a page fault at an address that is never mapped. */
#include "kit/kit.h"

int guest_main(void)
{
	kit_traps();
	kit_ready();
	*(volatile uint32_t *)0x0000400000001000ull = 1;
	return 0;
}
