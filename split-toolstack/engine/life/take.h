/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a VM in memory, for copies of it. */
#ifndef CHAOS_ENGINE_LIFE_TAKE_H
#define CHAOS_ENGINE_LIFE_TAKE_H

#include "split-toolstack/engine/life/save.h"

struct save_stream;

/* Called once. rc 0: the callee owns the state (libdom/template.h); -errno: `e` has the reason. The
 * VM continues in both cases. `st` has no bytes of a file. */
typedef void vm_take_fn(void *arg, int rc, struct save_stream *state, const struct stream_stats *st,
			const struct err *e);

/*
 * Copies the state of a VM that runs or is paused into memory, with the conditions and errors of
 * vm_save(). The VM is stopped meanwhile. For a small guest that is blocked `fn` is called before
 * this returns, otherwise later; if this fails, it is not called. `id` is of streams_take(), for
 * vm_save_end(), and belongs to the caller. `bare`: the copies will have no devices; those of the
 * VM are not touched, and its image must declare that it continues without.
 */
int vm_take(struct vm *vm, stream_id id, bool bare, vm_take_fn *fn, void *arg, struct err *e);

/* Such a state with a counter: a request and each copy that is being made have a reference. */
struct template
{
	struct engine *en;
	struct save_stream *state;
	uint32_t refs;
};
/* With one reference. NULL: out of memory; the caller keeps the state. */
struct template *template_new(struct engine *en, struct save_stream *state);
void template_put(struct template *t); /* NULL is allowed */

#endif
