/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM, in one piece: what it is, and a part for each room. Rooms above vm/ embed theirs as types
 * of their own (x-t.h). */
#ifndef CHAOS_VM_VM_T_H
#define CHAOS_VM_VM_T_H

#include <stdint.h>

#include "base/table.h"
#include "libdom/libdom.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/pool/window-t.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/state-t.h"

struct files;
struct reservation;

/* As it was when Xen was asked last: others change it, too. */
struct vm_seen {
	uint64_t cpu_ns;
	uint32_t online; /* vCPUs that are not down */
	enum {
		PAUSE_UNSEEN, /* since we paused or unpaused it */
		PAUSE_SEEN,
		PAUSE_NONE
	} pause;
};

#define LEFT_WHY_MAX 128

/* As the last daemon left it, in NOW_UNKNOWN. */
struct vm_left {
	enum vm_state was;	/* as its record says, ... */
	uint32_t domid;		/* ... and the id there; 0: none */
	char why[LEFT_WHY_MAX]; /* why it could not be taken over yet */
};

/* Its places in the lists and tables of VMs (vm.c, vms.h). */
struct vm_links {
	struct vm *next, **prev; /* living: in order of creation; ended: newest first */
	uint64_t since;		 /* the move that put it into its list */
	UT_hash_handle by_name, by_uuid, by_domid;
};

/* Known to the files of vm/ alone: the others read it by parts.h, and life/ changes it by
 * changes.h. */
struct vm {
	struct engine *en;
	struct vm_links links;
	/* what it is */
	char name[VM_NAME_MAX + 1];
	uint8_t uuid[16];
	uint32_t domid; /* 0: none */
	struct vm_config cfg;
	enum vm_reason reason;
	int exit_code;
	bool ready;  /* said so */
	bool noxs;   /* has a device page */
	bool direct; /* ... and a noxs entry: what is saved of it fits a domain of that layout */
	uint32_t restarts;
	uint64_t created_ns, started_ns, ended_ns;
	struct vm_seen last;
	/* its domain */
	struct dom dom;
	uint64_t pages;
	uint64_t dev_frame, control_frame;
	uint8_t *map;	  /* device page, then control page; NULL: they are not mapped */
	struct slot slot; /* 0: adopted, its id belongs to no slot yet */
	/* Allocated for its control channel, by which the guest was told of it: without a noxs
	 * entry, or a copy that was connected in the pool. 0: the guest binds to the slot's. */
	uint32_t guest_port;
	uint32_t store_port; /* likewise, of its store; 0: it has none */
	bool at_gate;	     /* its domain runs, and its guest waits until its gate is opened */
	/* its life */
	struct life_state state;
	struct vm_left left; /* by the last daemon */
	uint64_t past_ns;    /* when the one of its uuid in the history has ended; 0: it lives */
	/* parts of other rooms */
	struct life life;
	struct files *files; /* to be built from: being opened, or open and not used yet */
	struct device_set devices;
	struct reservation *reservations;
	struct guest *guest; /* is: */
	struct guest guest_part;
	struct window window; /* of its shell */
};

#endif
