/* SPDX-License-Identifier: BSD-3-Clause */
/* What waits for room in the agent's channel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "oci/agent.h"

struct agent_word {
	struct agent_word *next;
	uint32_t len;
	uint8_t type, session;
	uint8_t data[];
};

static void discard(struct agent *a, struct agent_word *w)
{
	a->waits -= sizeof(*w) + w->len;
	free(w);
}

bool agent_pump(struct agent *a)
{
	while (a->first && (a->link.up || a->link.ring)) {
		struct agent_word *w = a->first;

		if ((a->held && w->type != LINK_RING_AGAIN) ||
		    link_send(&a->link, w->type, w->session, w->data, w->len) < 0)
			return false;
		if (w->type == LINK_RING_USE)
			a->link.ring = a->ring;
		a->first = w->next;
		discard(a, w);
	}
	if (!a->first)
		a->last = NULL;
	return !a->first;
}

static struct agent_word *word(struct agent *a, uint8_t type, uint8_t session, const void *data,
			       size_t len)
{
	struct agent_word *w = malloc(sizeof(*w) + len);

	if (!w)
		return NULL;
	a->waits += sizeof(*w) + len;
	w->next = NULL;
	w->type = type;
	w->session = session;
	w->len = (uint32_t)len;
	if (len)
		memcpy(w->data, data, len);
	return w;
}

bool agent_say_first(struct agent *a, uint8_t type, uint8_t session, const void *data, size_t len)
{
	struct agent_word *w = word(a, type, session, data, len);
	struct agent_word *old = a->first;

	if (!w)
		return false;
	w->next = old;
	a->first = w;
	if (!old) {
		a->last = w;
	} else if (old->type == type) { /* not sent yet: it holds no more */
		w->next = old->next;
		a->last = a->last == old ? w : a->last;
		discard(a, old);
	}
	(void)agent_pump(a);
	return true;
}

bool agent_say(struct agent *a, uint8_t type, uint8_t session, const void *data, size_t len)
{
	struct agent_word *w = word(a, type, session, data, len);

	if (!w)
		return false;
	if (a->last)
		a->last->next = w;
	else
		a->first = w;
	a->last = w;
	(void)agent_pump(a);
	return true;
}

bool agent_say_u32(struct agent *a, uint8_t type, uint8_t session, uint32_t v)
{
	uint8_t b[4];

	link_put32(b, v);
	return agent_say(a, type, session, b, sizeof(b));
}

/* What waits of the session's process: a number may have been another's before. */
static struct agent_word *find(struct agent *a, uint8_t type, uint8_t session, const uint8_t *data)
{
	struct agent_word *found = NULL;

	for (struct agent_word *w = a->first; w; w = w->next) {
		if (w->session != session)
			continue;
		if (w->type == LINK_RUN)
			found = NULL;
		else if (w->type == type && w->len == 4 && (!data || memcmp(w->data, data, 4) == 0))
			found = w;
	}
	return found;
}

bool agent_say_signal(struct agent *a, uint8_t session, uint32_t number)
{
	uint8_t b[4];

	link_put32(b, number);
	return find(a, LINK_SIGNAL, session, b) || agent_say(a, LINK_SIGNAL, session, b, sizeof(b));
}

bool agent_say_window(struct agent *a, uint8_t session, const uint8_t size[4])
{
	struct agent_word *w = find(a, LINK_WINDOW, session, NULL);

	if (!w)
		return agent_say(a, LINK_WINDOW, session, size, 4);
	memcpy(w->data, size, 4);
	return true;
}

void agent_clear(struct agent *a)
{
	while (a->first) {
		struct agent_word *w = a->first;

		a->first = w->next;
		discard(a, w);
	}
	a->last = NULL;
}
