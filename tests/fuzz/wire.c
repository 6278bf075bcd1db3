/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a frame: what is taken can be read to its end. */
#include "split-toolstack/protocol/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const struct wire_in *in, int depth)
{
	struct wire_field f;
	struct wire_in nested;
	uint32_t at = 0;
	char text[64];

	while (wire_next(in, &at, &f)) {
		(void)wire_field_text(&f, text, sizeof(text));
		(void)wire_get_u32(in, f.id, 0);
		(void)wire_get_u64(in, f.id, 0);
		if (depth && wire_nested(&nested, &f) == 0)
			read_all(&nested, depth - 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_in in;

	if (wire_parse(&in, data, size) == 0)
		read_all(&in, 3);
	return 0;
}
