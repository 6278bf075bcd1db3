/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a small VM that rests is taken on the loop: no other state of it is ever seen, and
 * no thread is woken. */
#include "libdom/template.h"
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/life/saving.h"

int save_take_short(struct vm *vm, struct vm_save *s, struct err *e)
{
	int rc;

	if (!vm->noxs || !vm->map ||
	    save_pages_touched(vm->map + 4096, vm->pages) > TEMPLATE_SHORT_PAGES)
		return 0;
	rc = save_pause_blocked(vm, s, e);
	if (rc != 1)
		return rc;
	s->source.device = vm->map;
	s->source.control = vm->map + 4096;
	rc = dom_template_take(vm->en->x, &s->source, &s->state, &s->st, e);
	return rc < 0 ? rc : 1;
}
