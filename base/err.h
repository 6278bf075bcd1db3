/* SPDX-License-Identifier: BSD-3-Clause */
/* The only form of errors in the project: a negative errno and one line of text. */
#ifndef CHAOS_BASE_ERR_H
#define CHAOS_BASE_ERR_H

#include <stddef.h>

#define ERR_MSG_MAX 512

/* An error, passed by value. Functions that can fail return >= 0, or a negative errno, and take
 * a `struct err *` as their last parameter (may be NULL). The message is set once, where the
 * fault is found; each layer may wrap it once ("create web: load: ..."). Only the program prints
 * it. */
struct err {
	int code;	       /* the positive errno, 0 when nothing was set */
	char msg[ERR_MSG_MAX]; /* one line, no newline at its end, always terminated */
};

/* Sets code and message; returns -code (-EIO if `code` is not an errno). `e` may be NULL. A
 * message that is too long is cut. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Like err_set(), with ": " and strerror(code) after the message. */
int err_sys(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "<formatted>: " before a message that is already set; returns `rc`, a negative errno. If
 * `e` is empty, the message is the prefix. */
int err_wrap(struct err *e, int rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Tells compilers and analyzers, which cannot see into the functions above, that their result is
 * negative. */
static inline int err_is_negative(int rc)
{
	if (rc >= 0)
		__builtin_unreachable();
	return rc;
}
#define err_set(...)  err_is_negative(err_set(__VA_ARGS__))
#define err_sys(...)  err_is_negative(err_sys(__VA_ARGS__))
#define err_wrap(...) err_is_negative(err_wrap(__VA_ARGS__))

/* Copies an error that another function has set; `to` may be NULL. */
static inline void err_copy(struct err *to, const struct err *from)
{
	if (to)
		*to = *from;
}

/* The message, or a text for "nothing set". Never NULL. */
const char *err_msg(const struct err *e);

#endif
