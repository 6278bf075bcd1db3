/* SPDX-License-Identifier: BSD-3-Clause */
/* echo: gives back what comes on the console; a line "quit" powers off. Pings are the kit's. */
#include "kit/kit.h"

int guest_main(void)
{
	static const char word[] = "quit";
	unsigned int matched = 0;
	char buf[256];

	kit_traps();
	kit_ready();
	for (;;) {
		size_t n = kit_read(buf, sizeof(buf));

		if (n == 0) {
			kit_wait(0);
			continue;
		}
		kit_write(buf, n);
		for (size_t i = 0; i < n; i++) {
			if (buf[i] == '\n' || buf[i] == '\r') {
				if (matched == sizeof(word) - 1)
					return 0;
				matched = 0;
			} else if (matched < sizeof(word) - 1 && buf[i] == word[matched]) {
				matched++;
			} else {
				matched = sizeof(word); /* no match before the next line */
			}
		}
	}
}
