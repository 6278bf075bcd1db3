/* SPDX-License-Identifier: BSD-3-Clause */
/* bss: is all that the image has no bytes for zero? For hosts whose memory comes dirty. */
#include "kit/kit.h"

#define PAGES 80u /* more than are mapped together with the image */

static uint8_t none[PAGES * PAGE_SIZE];

int guest_main(void)
{
	unsigned long bad = 0;

	for (unsigned long i = 0; i < sizeof(none); i++)
		bad += ((volatile uint8_t *)none)[i] != 0;
	kit_ready();
	kit_print("bss: %lu of %lu bytes are not zero\r\n", bad, (unsigned long)sizeof(none));
	return bad != 0;
}
