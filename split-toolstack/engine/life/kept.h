/* SPDX-License-Identifier: BSD-3-Clause */
/* States of small snapshots that were read and checked: the next rollback to one reads no file. */
#ifndef CHAOS_ENGINE_LIFE_KEPT_H
#define CHAOS_ENGINE_LIFE_KEPT_H

struct engine;
struct save_stream;

/* Each has SAVE_SMALL_BYTES of pages at most. */
#define KEPT_MOST 16u

/* What is called by this digest, which says all of what it is; NULL: it is not kept. The list's,
 * until the next call of kept_add(). */
struct save_stream *kept_find(struct engine *en, const char *digest);
/* A state whose pages are in memory is the list's from now on. The one that was used last goes when
 * there are too many. */
void kept_add(struct engine *en, const char *digest, struct save_stream *state);
void kept_close(struct engine *en);

#endif
