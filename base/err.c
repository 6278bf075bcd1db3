/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors by value: formatting only, no allocation, so that it works when memory is gone. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The text may come from users and guests: removes line ends and terminal control characters. */
static void one_line(char *s)
{
	for (; *s; s++) {
		if (*s == '\n' || *s == '\r' || *s == '\t')
			*s = ' ';
		else if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
	}
}

static void set_v(struct err *e, int code, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void set_v(struct err *e, int code, const char *fmt, va_list ap)
{
	e->code = code;
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	one_line(e->msg);
}

int(err_set)(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (code <= 0)
		code = EIO;
	if (!e)
		return -code;
	va_start(ap, fmt);
	set_v(e, code, fmt, ap);
	va_end(ap);
	return -code;
}

int(err_sys)(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	if (code <= 0)
		code = EIO;
	if (!e)
		return -code;
	va_start(ap, fmt);
	set_v(e, code, fmt, ap);
	va_end(ap);
	len = strlen(e->msg);
	(void)snprintf(e->msg + len, sizeof(e->msg) - len, ": %s", strerror(code));
	return -code;
}

int(err_wrap)(struct err *e, int rc, const char *fmt, ...)
{
	char whole[2 * ERR_MSG_MAX];
	va_list ap;
	size_t len;

	if (rc >= 0)
		rc = -EIO;
	if (!e)
		return rc;
	va_start(ap, fmt);
	(void)vsnprintf(whole, ERR_MSG_MAX - 2, fmt, ap);
	va_end(ap);
	one_line(whole);
	len = strlen(whole);
	(void)snprintf(whole + len, sizeof(whole) - len, ": %s", e->code ? e->msg : strerror(-rc));
	whole[ERR_MSG_MAX - 1] = '\0';
	memcpy(e->msg, whole, ERR_MSG_MAX);
	e->code = -rc;
	return rc;
}

const char *err_msg(const struct err *e)
{
	return e && e->code ? e->msg : "no error";
}
