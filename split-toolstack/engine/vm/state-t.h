/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of a VM, which struct vm embeds. */
#ifndef CHAOS_VM_STATE_T_H
#define CHAOS_VM_STATE_T_H

#include <stdbool.h>

#include <ev.h>

#include "split-toolstack/engine/vm/state.h"

struct life_state {
	enum vm_now now;
	enum vm_want want;
	bool kept; /* life_is_kept() */
	enum vm_wait wait;
	ev_timer timer; /* life_timer() */
};

#endif
