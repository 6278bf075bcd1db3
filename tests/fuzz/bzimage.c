/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a packed kernel. */
#include "libdom/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t to[1u << 16];
	struct packed p;
	size_t len;

	if (packed_find(data, size, &p, NULL) < 0)
		return 0;
	if (p.offset > size || p.bytes > size - p.offset)
		__builtin_trap();
	(void)packed_open(data, &p, to, sizeof(to), &len);
	if (len > sizeof(to))
		__builtin_trap();
	return 0;
}
