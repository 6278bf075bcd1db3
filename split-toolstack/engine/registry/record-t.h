/* SPDX-License-Identifier: BSD-3-Clause */
/* The contents of a VM's record: plain data. */
#ifndef CHAOS_ENGINE_REGISTRY_RECORD_T_H
#define CHAOS_ENGINE_REGISTRY_RECORD_T_H

#include <stdbool.h>
#include <stdint.h>

#include "split-toolstack/engine/config/vm_config.h"
#include "split-toolstack/engine/config/vm_state.h"

/* What a client or an on_* action has requested last. */
enum vm_want {
	WANT_UNSAID, /* only in records of older daemons */
	WANT_GONE,   /* also before its create has succeeded */
	WANT_RUN,
	WANT_PAUSED,
};

/* Name and configuration belong to the caller. */
struct vm_record {
	uint8_t uuid[16];
	const char *name;
	const struct vm_config *cfg; /* without open files */
	enum vm_state state;	     /* never VM_UNKNOWN; VM_BUILDING: an intent */
	enum vm_reason reason;
	int exit_code;
	uint32_t domid; /* 0: none */
	uint32_t guest_port;
	uint16_t store_port; /* 16 bits are enough, because the first ports of a domain are small */
	enum vm_want want;
	uint32_t restarts;
	bool noxs, direct, ready; /* direct: noxs, and its image has a noxs entry */
	uint64_t pages;
	uint64_t dev_frame, control_frame;
	uint64_t created_ns, started_ns, ended_ns;
};

#endif
