/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's state into memory, for copies of it. */
#ifndef CHAOS_ENGINE_LIFE_TAKE_H
#define CHAOS_ENGINE_LIFE_TAKE_H

#include "split-toolstack/engine/life/save.h"

struct save_stream;

/* Once: rc 0, and the state (libdom/template.h) is the callee's; else -errno, and `e` says why. The
 * VM goes on in both cases. `st` has no bytes of a file. */
typedef void vm_take_fn(void *arg, int rc, struct save_stream *state, const struct stream_stats *st,
			const struct err *e);

/*
 * Takes the state of a VM that runs or is paused, with the conditions and errors of vm_save(). It
 * stands still meanwhile. What is small and rests is taken before this returns, and `fn` is called;
 * else later. An error here comes without `fn`. `id` is of streams_take(), for vm_save_end(), and
 * stays the caller's. A VM with devices is refused, unless `bare`: then its copies will have none,
 * and its image must say that it continues without.
 */
int vm_take(struct vm *vm, stream_id id, bool bare, vm_take_fn *fn, void *arg, struct err *e);

/* Such a state, held by a request and by each copy that is being made of it. */
struct template
{
	struct engine *en;
	struct save_stream *state;
	uint32_t refs;
};
/* With one reference; NULL: no memory, and the state stays the caller's. */
struct template *template_new(struct engine *en, struct save_stream *state);
void template_put(struct template *t); /* NULL is fine */

#endif
