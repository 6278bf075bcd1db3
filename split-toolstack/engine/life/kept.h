/* SPDX-License-Identifier: BSD-3-Clause */
/* States of small snapshots in memory, already checked: the next rollback to one reads no file. */
#ifndef CHAOS_ENGINE_LIFE_KEPT_H
#define CHAOS_ENGINE_LIFE_KEPT_H

struct engine;
struct save_stream;

/* Each has SAVE_SMALL_BYTES of pages at most. */
#define KEPT_MOST 16u

/* The state with this digest; NULL: none. It belongs to the list, and is valid until the next
 * kept_add(). */
struct save_stream *kept_find(struct engine *en, const char *digest);
/* Adds a state, which belongs to the list from now on. If there are too many, the one that was used
 * longest ago is freed. */
void kept_add(struct engine *en, const char *digest, struct save_stream *state);
void kept_close(struct engine *en);

#endif
