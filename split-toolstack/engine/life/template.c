/* SPDX-License-Identifier: BSD-3-Clause */
/* States of VMs in memory, with a counter of their users, and contents of their disks. */
#include <stdlib.h>
#include <unistd.h>

#include "libdom/template.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/life/take.h"

struct template *template_new(struct engine *en, struct save_stream *state)
{
	struct template *t = malloc(sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct template){.en = en, .state = state, .refs = 1};
	return t;
}

void taken_disks_free(struct taken_disks *d)
{
	while (d && d->n) {
		free(d->disk[--d->n].path);
		if (d->disk[d->n].fd >= 0)
			(void)close(d->disk[d->n].fd);
	}
	free(d);
}

void template_put(struct template *t)
{
	if (!t || --t->refs)
		return;
	dom_template_unmap(engine_xen(t->en), t->state);
	save_close(t->state);
	free(t);
}
