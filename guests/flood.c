/* SPDX-License-Identifier: BSD-3-Clause */
/* flood: numbered lines and events as fast as it can; count=N ends after N lines. */
#include "kit/kit.h"

int guest_main(void)
{
	uint64_t count = kit_option("count", 0);

	kit_traps();
	kit_ready();
	for (uint64_t i = 0; count == 0 || i < count; i++) {
		kit_print("flood %lu\r\n", (unsigned long)i);
		for (int event = 0; event < 8; event++)
			kit_notify();
	}
	return 0;
}
