/* SPDX-License-Identifier: BSD-3-Clause */
/* New records that are not in the registry's database yet. */
#ifndef CHAOS_ENGINE_REGISTRY_RECENT_H
#define CHAOS_ENGINE_REGISTRY_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lmdb.h>

#include "base/err.h"

struct recent;

/* The registry, for its files. */
struct registry {
	MDB_env *db;
	MDB_dbi dbi;
	struct recent *recent; /* NULL: there was no room for the file */
	uint64_t room;	       /* bytes that are allocated for the database's file */
};

/* Allocates space for the database's file in advance. Records must be possible when the run
 * directory is full, and the database copies pages when it changes them. */
void registry_keep_room(struct registry *reg);

/* Call it when the database is open. Without room for the file, all records go to the database. */
int recent_open(struct registry *reg, const char *path, struct err *e);
void recent_close(struct registry *reg);
/* Largest size of a record. */
#define RECENT_BYTES 992u
/* Makes this the valid record of the VM. False: it can only be written to the database. */
bool recent_put(struct registry *reg, const uint8_t uuid[16], const uint8_t *record, size_t bytes);
/* Moves the oldest records to the database; true: there are more. */
bool recent_settle(struct registry *reg);
/* Moves the record of this VM, if there is one. Returns an LMDB error. */
int recent_settle_one(struct registry *reg, const uint8_t uuid[16]);
void recent_forget(struct registry *reg, const uint8_t uuid[16]);
/* Calls fn for each record that is not in the database, oldest first. */
void recent_each(struct registry *reg,
		 void (*fn)(void *arg, const uint8_t uuid[16], const uint8_t *record, size_t bytes),
		 void *arg);

#endif
