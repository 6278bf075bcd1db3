/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as messages of another host. */
#include "chaos/migrate_frame.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct migrate_message m = {0};
	struct err e;
	char text[64];

	while (size >= MIGRATE_HEAD && migrate_parse_head(data, &m, &e) == 0) {
		data += MIGRATE_HEAD;
		size -= MIGRATE_HEAD;
		if (m.bytes > size)
			break;
		memcpy(m.body, data, m.bytes);
		data += m.bytes;
		size -= m.bytes;
		if (migrate_parse_body(&m, &e) < 0)
			break;
		if (wire_get_text(&m.in, PROTO_TEXT, text, sizeof(text)))
			migrate_tame(text);
		(void)wire_get_u64(&m.in, PROTO_MEM_KIB, 0);
	}
	return 0;
}
