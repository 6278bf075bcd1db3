/* SPDX-License-Identifier: BSD-3-Clause */
/* A small printf, and numbers on the command line. Pure: also compiled for the host's unit tests.
 */
#include "kit.h"

struct out {
	char *buf;
	size_t size;
	size_t len;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_number(struct out *o, uint64_t value, unsigned int base, bool minus, int width,
		       char pad)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (minus && pad == '0')
		put(o, '-');
	for (int i = n + minus; i < width; i++)
		put(o, pad);
	if (minus && pad != '0')
		put(o, '-');
	while (n)
		put(o, digits[--n]);
}

int kit_format(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = {buf, size, 0};

	for (; *fmt; fmt++) {
		char pad = ' ';
		int width = 0;
		int longs = 0;

		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt++;
		if (*fmt == '0')
			pad = *fmt++;
		while (*fmt >= '0' && *fmt <= '9')
			width = width * 10 + *fmt++ - '0';
		for (; *fmt == 'l'; fmt++)
			longs++;
		if (*fmt == 's') {
			const char *s = va_arg(ap, const char *);

			while (*s)
				put(&o, *s++);
		} else if (*fmt == 'c') {
			put(&o, (char)va_arg(ap, int));
		} else if (*fmt == 'd') {
			int64_t v = longs ? va_arg(ap, int64_t) : va_arg(ap, int);

			put_number(&o, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0, width,
				   pad);
		} else if (*fmt == 'u' || *fmt == 'x') {
			uint64_t v = longs ? va_arg(ap, uint64_t) : va_arg(ap, unsigned int);

			put_number(&o, v, *fmt == 'u' ? 10 : 16, false, width, pad);
		} else if (*fmt == 'p') {
			put_number(&o, (uint64_t)va_arg(ap, void *), 16, false, width, pad);
		} else if (*fmt) {
			put(&o, *fmt);
		} else {
			break;
		}
	}
	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

const char *kit_option_text(const char *key, uint32_t nth, size_t *len)
{
	const char *at = kit.cmdline;

	while (*at) {
		const char *k = key;

		while (*at == ' ')
			at++;
		while (*k && *at == *k) {
			at++;
			k++;
		}
		if (!*k && nth-- == 0) {
			for (*len = 0; at[*len] && at[*len] != ' ';)
				++*len;
			return at;
		}
		while (*at && *at != ' ')
			at++;
	}
	return NULL;
}

uint64_t kit_option(const char *key, uint64_t none)
{
	const char *at;
	size_t len;

	for (uint32_t nth = 0; (at = kit_option_text(key, nth, &len)) != NULL; nth++) {
		uint64_t value = 0;

		if (*at != '=')
			continue;
		for (at++; *at >= '0' && *at <= '9'; at++)
			value = value * 10 + (uint64_t)(*at - '0');
		return value;
	}
	return none;
}
