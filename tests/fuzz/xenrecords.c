/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as libxenguest's stream, in pieces: what the check says does not depend on the pieces.
 * Its header is made right, so that what follows is reached. */
#include <stdlib.h>
#include <string.h>

#include "libdom/save_records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t first[40] = {255, 255, 255, 255, 255, 255, 255, 255,      'X',
				  'E', 'N', 'F', 0,   0,   0,	3,   [24] = 1, [28] = 12};

static int check(const uint8_t *data, size_t size, size_t piece, size_t *all)
{
	static struct records r;
	struct err e = {0};
	int rc = 0;

	*all = 0;
	records_begin(&r, 4096, 4);
	for (size_t at = 0; rc == 0 && at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		size_t used = 0;

		rc = records_check(&r, data + at, n, &used, &e);
		*all += used;
		if (used > n || (rc == 0 && used < n && !records_over(&r)))
			__builtin_trap();
	}
	if (rc < 0 && e.msg[0] == '\0')
		__builtin_trap();
	return rc < 0 ? rc : records_over(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(sizeof(first) + size);
	size_t all;
	size_t other;
	int rc;

	memcpy(copy, first, sizeof(first));
	if (size)
		memcpy(copy + sizeof(first), data, size);
	rc = check(copy, sizeof(first) + size, sizeof(first) + size, &all);
	if (check(copy, sizeof(first) + size, 7, &other) != rc || (rc >= 0 && other != all))
		__builtin_trap();
	free(copy);
	return 0;
}
