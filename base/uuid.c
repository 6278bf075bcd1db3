/* SPDX-License-Identifier: BSD-3-Clause */
/* UUIDs as hexadecimal digits with dashes. */
#include "base/uuid.h"

#include <errno.h>
#include <stdbool.h>

#include "base/hex.h"

static bool dash_before(int byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void uuid_print(const uint8_t uuid[16], char out[UUID_TEXT])
{
	for (int i = 0; i < 16; i++) {
		if (dash_before(i))
			*out++ = '-';
		out = hex_put(out, uuid[i]);
	}
	*out = '\0';
}

int uuid_read(const char *text, uint8_t out[16])
{
	for (int i = 0; i < 16; i++, text += 2) {
		int byte;

		if (dash_before(i) && *text++ != '-')
			return -EINVAL;
		byte = hex_get(text);
		if (byte < 0)
			return -EINVAL;
		out[i] = (uint8_t)byte;
	}
	return *text == '\0' ? 0 : -EINVAL;
}
