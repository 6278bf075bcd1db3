/* SPDX-License-Identifier: BSD-3-Clause */
/* struct vm: one allocation, with a part for each room. The types of these parts are in the rooms'
 * x-t.h. */
#ifndef CHAOS_VM_VM_T_H
#define CHAOS_VM_VM_T_H

#include <stdint.h>

#include "base/table.h"
#include "libdom/libdom.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/engine.h"
#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/pool/mapping-t.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/state-t.h"

struct files;
struct reservation;

/* As last read from Xen: other toolstacks change it, too. */
struct vm_seen {
	uint64_t cpu_ns;
	uint32_t online; /* vCPUs that are not down */
	enum {
		PAUSE_UNSEEN, /* not read since chaosd paused or unpaused it */
		PAUSE_SEEN,
		PAUSE_NONE
	} pause;
};

#define LEFT_WHY_MAX 128

/* In NOW_UNKNOWN: as the last daemon left it. */
struct vm_left {
	enum vm_state was;	/* state in its record */
	uint32_t domid;		/* domain in its record; 0: none */
	char why[LEFT_WHY_MAX]; /* why it could not be adopted yet */
};

/* Its links in the lists and tables of VMs (vm.c, vms.h). */
struct vm_links {
	struct vm *next, **prev; /* living: in order of creation; ended: newest first */
	uint64_t since;		 /* number of the move that put it into its list */
	UT_hash_handle by_name, by_uuid, by_domid;
};

/* Only files of vm/ use its members: other rooms use parts.h, and life/ changes.h. */
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
	bool ready;  /* its guest has reported that it is ready */
	bool noxs;   /* has a device page */
	bool direct; /* ... and a noxs entry: its saved state fits a domain of that layout */
	uint32_t restarts;
	uint64_t created_ns, started_ns, ended_ns;
	struct vm_seen last;
	/* its domain */
	struct dom dom;
	uint64_t pages;
	uint64_t dev_frame, control_frame;
	uint8_t *map;	  /* device page, then control page; NULL: they are not mapped */
	struct slot slot; /* domid 0: adopted, not in a slot yet */
	/* The guest's end of the control channel, if it was allocated for the guest: a guest
	 * without a noxs entry, or a copy that was connected in the pool. 0: the guest binds to the
	 * slot's port. */
	uint32_t guest_port;
	uint32_t store_port; /* the same of its store; 0: none */
	bool at_gate;	     /* its guest runs and waits at its gate */
	/* its life */
	struct life_state state;
	struct vm_left left; /* by the last daemon */
	uint64_t past_ns;    /* end of the VM in the history that has its uuid; 0: none */
	/* parts of other rooms */
	struct life life;
	struct files *files; /* files to build it from: being opened, or open and not used yet */
	struct device_set devices;
	struct reservation *reservations;
	struct guest *guest; /* &guest_part */
	struct guest guest_part;
	struct mapping mapping; /* of its shell */
};

#endif
