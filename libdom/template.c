/* SPDX-License-Identifier: BSD-3-Clause */
/* Out of a domain that stands still into memory. */
#include "libdom/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdom/save_saving.h"

/* What has the kind of a page that is carried. */
static bool is_carried(uint8_t kind)
{
	return kind != SAVE_RUN_ZERO && kind != SAVING_LEFT_OUT;
}

static int copy_pages(struct saving *s, uint8_t *to, struct err *e)
{
	const uint8_t *table = s->tables;

	for (uint64_t i = 0; i < s->n; i++) {
		int rc;

		if (!is_carried(s->kind[i]))
			continue;
		if (save_is_table(s->kind[i])) {
			memcpy(to, table, PAGE_BYTES);
			table += PAGE_BYTES;
		} else {
			rc = saving_look_at(s, i, e);
			if (rc < 0)
				return rc;
			memcpy(to, saving_page_at(s, i), PAGE_BYTES);
		}
		to += PAGE_BYTES;
		s->st->done++;
	}
	return 0;
}

static int take(struct saving *s, struct save_stream *t, struct err *e)
{
	int rc;

	t->h = s->h;
	t->pages_at = -1;
	t->verified = true;
	t->sections = saving_sections(s, NULL);
	t->pages = malloc(s->h.present * PAGE_BYTES + 1);
	if (!t->sections || !t->pages)
		return err_set(e, ENOMEM, "out of memory");
	save_describe(t);
	save_find_sections(t);
	rc = copy_pages(s, t->pages, e);
	return rc < 0 ? rc : saving_stood_still(s, e);
}

int dom_template_take(struct xen *x, const struct save_source *from, struct save_stream **out,
		      struct save_stats *st, struct err *e)
{
	struct save_stream *t = calloc(1, sizeof(*t));
	struct saving *s = NULL;
	int rc =
		t ? saving_begin(x, from, 0, NULL, st, &s, e) : err_set(e, ENOMEM, "out of memory");

	*out = NULL;
	if (rc == 0)
		rc = take(s, t, e);
	saving_end(s);
	if (rc < 0) {
		save_close(t);
		return rc;
	}
	*out = t;
	return 0;
}

uint64_t dom_template_bytes(const struct save_stream *s)
{
	return sizeof(*s) + save_sections(&s->h) + s->info.present * PAGE_BYTES;
}
