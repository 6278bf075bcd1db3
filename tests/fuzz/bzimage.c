/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a packed kernel. */
#include "libdom/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM (1u << 16)

static int count(void *arg, const uint8_t *data, size_t n)
{
	size_t *len = arg;

	if (n == 0 || data[0] + data[n - 1] < 0) /* all of it can be read */
		__builtin_trap();
	*len += n;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packed p;
	size_t len = 0;

	if (packed_find(data, size, &p, NULL) < 0)
		return 0;
	if (p.offset > size || p.bytes > size - p.offset)
		__builtin_trap();
	(void)packed_open(data, &p, ROOM, count, &len);
	if (len > ROOM)
		__builtin_trap();
	return 0;
}
