/* SPDX-License-Identifier: BSD-3-Clause */
/* What others see of where a VM is in its life. */
#include "split-toolstack/engine/life/state.h"

enum vm_state life_state(const struct vm_life *l)
{
	static const enum vm_state state[NOW_COUNT] = {
		[NOW_NEW] = VM_BUILDING,
		[NOW_WAITING] = VM_BUILDING,
		[NOW_BUILDING] = VM_BUILDING,
		[NOW_GATED] = VM_RUNNING,
		[NOW_RUNNING] = VM_RUNNING,
		[NOW_PAUSED] = VM_PAUSED,
		[NOW_PRESERVED] = VM_ENDED_PRESERVED,
		[NOW_ABANDONED] = VM_ENDED,
		[NOW_ENDED] = VM_ENDED,
		[NOW_UNKNOWN] = VM_UNKNOWN,
	};

	return life_create_waits(l) ? VM_BUILDING : state[l->now];
}
