/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of hash tables: include it instead of <uthash.h>. */
#ifndef CHAOS_BASE_TABLE_H
#define CHAOS_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

/*
 * uthash allocates when a table begins and when it grows, in the middle of an insertion that cannot
 * fail, and ends the process when there is no memory. So there is a reserve of a MiB for that: room
 * for the tables of 32751 VMs. Entries are their owner's, and checked there. One thread.
 */
void *table_alloc(size_t bytes);
void table_free(void *p);

/* FNV-1a: keys come from clients that are trusted with more than slow tables. Others define
 * HASH_FUNCTION before they include this file. uthash's own hash falls through switch labels
 * without saying so. */
static inline uint32_t table_hash(const void *key, size_t len)
{
	const uint8_t *p = key;
	uint32_t h = 2166136261u;

	while (len--)
		h = (h ^ *p++) * 16777619u;
	return h;
}

#ifndef HASH_FUNCTION
#define HASH_FUNCTION(key, len, hash) (hash) = table_hash((key), (len))
#endif
#define uthash_malloc(bytes)  table_alloc(bytes)
#define uthash_free(p, bytes) table_free(p)
#include <uthash.h>

#endif
