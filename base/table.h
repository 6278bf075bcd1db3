/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of hash tables: include it instead of <uthash.h>. */
#ifndef CHAOS_BASE_TABLE_H
#define CHAOS_BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* uthash allocates memory when a table is made and when it grows, in the middle of an insertion
 * that cannot fail, and ends the process when there is none. Therefore there is a reserve of 1
 * MiB, enough for the tables of 32751 VMs. The memory of entries belongs to the caller, who
 * checks its allocation. For one thread. */
void *table_alloc(size_t bytes);
void table_free(void *p);

/* FNV-1a is good enough: keys come from clients, which are trusted like root. Other files define
 * HASH_FUNCTION before they include this one. uthash's own hash has fallthroughs that compilers
 * warn about. */
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
