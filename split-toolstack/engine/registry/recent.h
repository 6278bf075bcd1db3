/* SPDX-License-Identifier: BSD-3-Clause */
/* Records that the registry's database does not have yet. */
#ifndef CHAOS_ENGINE_REGISTRY_RECENT_H
#define CHAOS_ENGINE_REGISTRY_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lmdb.h>

#include "base/err.h"

struct recent;

/* The registry, as its files see it. */
struct registry {
	MDB_env *db;
	MDB_dbi dbi;
	struct recent *recent; /* NULL: there was no room for the file */
	uint64_t room;	       /* bytes that the database's file has for sure */
};

/* A run directory that is full goes on: what ends must be recorded, and a database that copies
 * pages when it changes them needs some to do so. Its file is given them ahead. */
void registry_keep_room(struct registry *reg);

/* The database is open. Without room for the file all records go there. */
int recent_open(struct registry *reg, const char *path, struct err *e);
void recent_close(struct registry *reg);
/* Of one record at most. */
#define RECENT_BYTES 992u
/* From now on this record counts, and none of before. False: it can only go into the database. */
bool recent_put(struct registry *reg, const uint8_t uuid[16], const uint8_t *record, size_t bytes);
/* Gives the oldest ones to the database; true: there are more. */
bool recent_settle(struct registry *reg);
/* The one of this VM, if there is one. LMDB's error. */
int recent_settle_one(struct registry *reg, const uint8_t uuid[16]);
void recent_forget(struct registry *reg, const uint8_t uuid[16]);
/* Those that the database could not take, oldest first. */
void recent_each(struct registry *reg,
		 void (*fn)(void *arg, const uint8_t uuid[16], const uint8_t *record, size_t bytes),
		 void *arg);

#endif
