/* SPDX-License-Identifier: BSD-3-Clause */
/* UUIDs: making them, and their text. */
#ifndef CHAOS_BASE_UUID_H
#define CHAOS_BASE_UUID_H

#include <stdint.h>

#include "base/err.h"
#include "base/random.h"

#define UUID_TEXT 37u /* bytes of the text, with its end */

/* Makes a random uuid: RFC 9562, version 4. */
static inline int uuid_random(uint8_t uuid[16], struct err *e)
{
	int rc = random_bytes(uuid, 16, "uuid", e);

	if (rc < 0)
		return rc;
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
	return 0;
}
/* "01234567-89ab-cdef-0123-456789abcdef". */
void uuid_print(const uint8_t uuid[16], char out[UUID_TEXT]);
/* Reads that form, upper or lower case, and nothing else; -EINVAL. It is not called uuid_parse()
 * because libuuid, which libxenlight uses in the same process, has a function of that name. */
int uuid_read(const char *text, uint8_t out[16]);

#endif
