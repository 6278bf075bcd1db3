/* SPDX-License-Identifier: BSD-3-Clause */
/* noop: says that it is ready and blocks for ever. The shortest way from entry to ready. */
#include "kit/kit.h"

int guest_main(void)
{
	kit_ready();
	for (;;)
		kit_wait(0);
}
