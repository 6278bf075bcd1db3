/* SPDX-License-Identifier: BSD-3-Clause */
/* A point in time as a line of RFC 867. Pure. */
#ifndef CHAOS_GUEST_DATE_H
#define CHAOS_GUEST_DATE_H

#include <stddef.h>
#include <stdint.h>

/* "Tuesday, November 24, 2026 06:10:00-UTC\r\n" for seconds since 1970; its length. */
size_t date_line(uint64_t seconds, char *to, size_t size);

#endif
