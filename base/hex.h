/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as two hexadecimal digits each. */
#ifndef CHAOS_BASE_HEX_H
#define CHAOS_BASE_HEX_H

#include <stdint.h>

/* Writes two digits in lower case; returns the place after them. */
static inline char *hex_put(char *to, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";

	*to++ = digits[byte >> 4];
	*to++ = digits[byte & 15];
	return to;
}

static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte that the first two characters stand for, 0 to 255; -1 if they are not two hexadecimal
 * digits. */
static inline int hex_get(const char *text)
{
	int high = hex_digit(text[0]);
	int low = high < 0 ? -1 : hex_digit(text[1]);

	return low < 0 ? -1 : high << 4 | low;
}

#endif
