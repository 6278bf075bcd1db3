/* SPDX-License-Identifier: BSD-3-Clause */
/* spin: ready, then burns its CPU and never listens. */
#include "kit/kit.h"

int guest_main(void)
{
	kit_ready();
	for (;;)
		__asm__ volatile("pause");
}
