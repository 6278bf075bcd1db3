/* SPDX-License-Identifier: BSD-3-Clause */
/* Records that the registry's database does not have yet. */
#ifndef CHAOS_ENGINE_REGISTRY_RECENT_H
#define CHAOS_ENGINE_REGISTRY_RECENT_H

#include "split-toolstack/engine/private.h"

/* The database is open. Without room for the file all records go there. */
int recent_open(struct engine *en, const char *path, struct err *e);
void recent_close(struct engine *en);
/* Where a record of so many bytes can be written; NULL: only into the database. */
uint8_t *recent_room(struct engine *en, size_t bytes);
/* It has been written there: from now on it counts, and none of before. */
void recent_keep(struct engine *en, const uint8_t uuid[16], size_t bytes);
/* Gives the oldest ones to the database; true: there are more. */
bool recent_settle(struct engine *en);
/* The one of this VM, if there is one. LMDB's error. */
int recent_settle_one(struct engine *en, const uint8_t uuid[16]);
void recent_forget(struct engine *en, const uint8_t uuid[16]);
/* Those that the database could not take, oldest first. */
void recent_each(struct engine *en,
		 void (*fn)(void *arg, const uint8_t uuid[16], const uint8_t *record, size_t bytes),
		 void *arg);

#endif
