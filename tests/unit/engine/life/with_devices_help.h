/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests with devices, to be saved or copied. */
#ifndef CHAOS_UNIT_WITH_DEVICES_HELP_H
#define CHAOS_UNIT_WITH_DEVICES_HELP_H

#include <noxs/abi.h>

#include "tests/unit/engine/devices_help.h"
#include "tests/unit/engine/life/savevm_help.h"

#define CAN (NOXS_CAN_SAVE | NOXS_CAN_SUSPEND | NOXS_CAN_PLAIN | NOXS_CAN_DEVICES)

/* It runs, with its devices connected, and says what it can (NOXS_CAN_*). */
struct vm *with(struct vm_config c, uint32_t can);
/* ... with a vif in bridge br0, and CAN. */
struct vm *with_vif(const char *name, enum dom_type type, uint64_t kib);

#endif
