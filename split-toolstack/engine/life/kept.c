/* SPDX-License-Identifier: BSD-3-Clause */
/* States of small snapshots in memory; the one that was used last is the first. */
#include "split-toolstack/engine/life/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "libdom/template.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/parts/parts.h"

struct kept {
	struct kept *prev, *next;
	char digest[65];
	struct save_stream *state;
};

static struct kept *find(struct streams *s, const char *digest)
{
	struct kept *k;

	DL_FOREACH(s->kept, k)
	if (strcmp(k->digest, digest) == 0)
		return k;
	return NULL;
}

static void drop(struct streams *s, struct kept *k)
{
	DL_DELETE(s->kept, k);
	s->nkept--;
	save_close(k->state);
	free(k);
}

struct save_stream *kept_find(struct engine *en, const char *digest)
{
	struct streams *s = engine_streams(en);
	struct kept *k = find(s, digest);

	if (!k)
		return NULL;
	DL_DELETE(s->kept, k);
	DL_PREPEND(s->kept, k);
	return k->state;
}

void kept_add(struct engine *en, const char *digest, struct save_stream *state)
{
	struct streams *s = engine_streams(en);
	struct kept *k = find(s, digest) ? NULL : calloc(1, sizeof(*k));

	if (!k) {
		save_close(state);
		return;
	}
	(void)snprintf(k->digest, sizeof(k->digest), "%s", digest);
	dom_template_keep(state);
	k->state = state;
	DL_PREPEND(s->kept, k);
	if (++s->nkept > KEPT_MOST)
		drop(s, s->kept->prev);
}

void kept_close(struct engine *en)
{
	struct streams *s = engine_streams(en);

	while (s->kept)
		drop(s, s->kept);
}
