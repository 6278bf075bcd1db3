/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of hash tables, with a reserve for when there is none. */
#include "base/table.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"

#define RESERVE_BYTES (1u << 20)
#define UNIT	      16u

/* Its pages are there when they are touched first. */
static _Alignas(UNIT) uint8_t reserve[RESERVE_BYTES];
static size_t used;   /* bytes from its beginning on */
static size_t pieces; /* of it that are in use; it is whole again with the last one */

void *table_alloc(size_t bytes)
{
	void *p = malloc(bytes);
	size_t room = (bytes + UNIT - 1) / UNIT * UNIT;

	if (p)
		return p;
	if (room > sizeof(reserve) - used) {
		log_line(LOG_ERROR, "out of memory for a table of %zu bytes, and no reserve left",
			 bytes);
		abort();
	}
	p = reserve + used;
	used += room;
	pieces++;
	return p;
}

void table_free(void *p)
{
	if ((uint8_t *)p < reserve || (uint8_t *)p >= reserve + sizeof(reserve))
		free(p);
	else if (--pieces == 0)
		used = 0;
}
