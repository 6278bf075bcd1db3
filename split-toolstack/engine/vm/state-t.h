/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a VM is in its life: struct vm embeds it. */
#ifndef CHAOS_VM_STATE_T_H
#define CHAOS_VM_STATE_T_H

#include <stdbool.h>

#include <ev.h>

#include "split-toolstack/engine/vm/state.h"

struct life_state {
	enum vm_now now;
	enum vm_want want;
	/* It was told to be there, or an on_* action made it: a build that fails puts it into the
	 * history, and the next daemon builds it. Else nothing of it is left in both cases. */
	bool kept;
	enum vm_wait wait;
	ev_timer timer; /* of the state it is in: life_timer() */
};

#endif
