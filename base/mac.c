/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet addresses: hexadecimal digits with colons. */
#include "base/mac.h"

#include <errno.h>

#include "base/hex.h"

void mac_print(const uint8_t mac[6], char out[MAC_TEXT])
{
	for (int i = 0; i < 6; i++) {
		if (i > 0)
			*out++ = ':';
		out = hex_put(out, mac[i]);
	}
	*out = '\0';
}

int mac_read(const char *text, uint8_t mac[6])
{
	for (int i = 0; i < 6; i++, text += 2) {
		int byte;

		if (i > 0 && *text++ != ':')
			return -EINVAL;
		byte = hex_get(text);
		if (byte < 0)
			return -EINVAL;
		mac[i] = (uint8_t)byte;
	}
	return *text == '\0' ? 0 : -EINVAL;
}
