/* SPDX-License-Identifier: BSD-3-Clause */
/* The environment that lwIP needs: a few string functions instead of a C library, and asserts
 * that end the guest. */
#ifndef CHAOS_GUEST_LWIP_CC_H
#define CHAOS_GUEST_LWIP_CC_H

#include <stdint.h>
#include <sys/types.h>

/* lwIP assumes that ssize_t exists if this macro does, and defines ssize_t otherwise;
 * freestanding compilers differ in that. */
#ifndef SSIZE_MAX
#define SSIZE_MAX 0x7fffffffffffffffl
#endif

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_UNISTD_H   1
#define LWIP_NO_CTYPE_H	   1

/* Formats of messages that are compiled out. */
#define X8_F  "x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "lu"

uint32_t port_random(void);
void port_assert(const char *what) __attribute__((noreturn));

#define LWIP_RAND()		port_random()
#define LWIP_PLATFORM_DIAG(x)	((void)0)
#define LWIP_PLATFORM_ASSERT(x) port_assert(x)

#endif
