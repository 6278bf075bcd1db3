/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VM is as the last daemon left it, as types: struct vm embeds it. */
#ifndef CHAOS_ENGINE_LIFE_ADOPT_T_H
#define CHAOS_ENGINE_LIFE_ADOPT_T_H

#include <stdint.h>

#include "split-toolstack/engine/registry/record-t.h"

#define ADOPT_WHY_MAX 128

/* Of a VM in NOW_UNKNOWN. */
struct vm_left {
	enum vm_state was;	 /* as its record says, ... */
	uint32_t domid;		 /* ... and the id there; 0: none */
	char why[ADOPT_WHY_MAX]; /* why it could not be taken over yet */
};

#endif
