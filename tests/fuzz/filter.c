/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes what guests do with frames: fw's rules and filter, xsdev's answers. */
#include <stdlib.h>
#include <string.h>

#include "guests/answer.h"
#include "guests/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* First a byte that says how long the text of a rule is, then it, then the frame. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct answer_host me = {{0, 1, 2, 3, 4, 5}, {10, 0, 0, 2}};
	struct filter f = {0};
	size_t text = size ? data[0] % 32u : 0;
	uint8_t *frame;
	uint32_t len;
	uint32_t have;

	if (size < 1 + text || size > 65535)
		return 0;
	(void)filter_add(&f, data[0] & 64, (const char *)data + 1, text);
	(void)filter_add(&f, false, "tcp/23", 6);
	f.deny_rest = data[0] & 128;
	len = (uint32_t)(size - 1 - text);
	have = len < FILTER_HEAD ? len : FILTER_HEAD;
	frame = malloc(have ? have : 1); /* of their own, so that a step outside is seen */
	if (!frame)
		return 0;
	memcpy(frame, data + 1 + text, have);
	(void)filter_frame(&f, frame, have, len);
	free(frame);
	frame = malloc(len ? len : 1);
	if (!frame)
		return 0;
	memcpy(frame, data + 1 + text, len);
	if (answer_frame(&me, frame, len) > len)
		abort();
	free(frame);
	return 0;
}
