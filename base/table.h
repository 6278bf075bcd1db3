/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of hash tables: include it instead of <uthash.h>. */
#ifndef CHAOS_BASE_TABLE_H
#define CHAOS_BASE_TABLE_H

#include <stddef.h>

/*
 * uthash allocates when a table begins and when it grows, in the middle of an insertion that cannot
 * fail, and ends the process when there is no memory. So there is a reserve of a MiB for that: room
 * for the tables of 32751 VMs. Entries are their owner's, and checked there. One thread.
 */
void *table_alloc(size_t bytes);
void table_free(void *p);

#define uthash_malloc(bytes)  table_alloc(bytes)
#define uthash_free(p, bytes) table_free(p)
#include <uthash.h>

#endif
