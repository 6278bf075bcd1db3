/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that writes anything at any moment on its control page. */
#include "noxs/control.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct noxs_control page;
	struct noxs_control_end c;
	struct noxs_guest_words w;
	char buf[NOXS_CONSOLE_OUT_SIZE];

	memset(&page, 0, sizeof(page));
	noxs_control_init(&c, &page);
	while (size >= 8) { /* offset, value; then dom0 looks */
		uint32_t at;
		uint32_t value;

		memcpy(&at, data, 4);
		memcpy(&value, data + 4, 4);
		memcpy((uint8_t *)&page + (at % (sizeof(page) - 4)), &value, 4);
		if (noxs_console_take(&c, buf, sizeof(buf)) > (int)sizeof(buf))
			__builtin_trap();
		noxs_console_release(&c);
		(void)noxs_console_put(&c, data, size > 100 ? 100 : (uint32_t)size);
		noxs_control_words(&c, &w);
		if (w.exit_code > 255)
			__builtin_trap();
		data += 8;
		size -= 8;
	}
	return 0;
}
