/* SPDX-License-Identifier: BSD-3-Clause */
/* A save under way, for save.c and rest.c. */
#ifndef CHAOS_ENGINE_LIFE_SAVING_H
#define CHAOS_ENGINE_LIFE_SAVING_H

#include <ev.h>

#include "base/transfer.h"
#include "libdom/live.h"
#include "split-toolstack/engine/life/save.h"
#include "split-toolstack/engine/life/take.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/vm/state.h"

/* So long a guest has to come to rest; Linux stops its processes and drivers before. */
#define REST_S	     5.0
#define REST_LINUX_S 30.0

/* One that the guest writes. */
struct save_disk {
	char *path;	   /* malloced */
	uint64_t dev, ino; /* as struct vbd_config has them */
};

struct vm_save {
	struct worker_job job;
	struct vm_save *prev, *next; /* list of saves whose VM continues already (save_part()) */
	struct engine *en;
	struct vm *vm; /* NULL: the VM does not need the save any more */
	stream_id id;
	struct transfer file; /* none for a take */
	uint32_t flags;
	vm_save_fn *fn;	  /* NULL: it was called */
	vm_take_fn *take; /* for a take: the state is not written to a file */
	bool bare;	  /* TAKE_BARE */
	struct taken_disks
		*disks; /* TAKE_DISKS: those that are copied so far; NULL: not requested */
	struct save_stream *state; /* the taken state */
	void *arg;
	enum { RESTING, WRITING, WRITTEN, ROUNDS } phase;
	bool busy; /* a thread works on it */
	/* ROUNDS: the VM runs, and the client begins each round */
	vm_round_fn *on_round;
	struct live *live;
	bool counted;		/* counted as a stream although its file is closed */
	struct live_maps *left; /* pages to unmap after the answer */
	struct live_round round;
	struct save_stats live_st;
	bool enough; /* no more rounds */
	enum vm_now was;
	bool taken;	/* take was called */
	bool paused;	/* paused for this save */
	bool suspended; /* the guest has suspended itself */
	ev_tstamp rest_until;
	uint64_t start_ns, stop_ns;
	uint64_t stopped_ns; /* how long the VM was stopped; 0: it still is */
	struct save_source source;
	struct save_disk disk[VM_VBDS_MAX];
	uint32_t ndisk;
	xen_pfn_t frame[2]; /* device and control page */
	uint8_t *owner;
	uint32_t owner_bytes;
	struct save_stats st;
	int rc;
	struct err err;
};

/* rest.c: checks whether it can be saved, before anything is changed; `bare`: without its devices.
 */
int save_check_vm(struct vm *vm, bool bare, struct err *e);
/* rest.c: stops the guest. 1: it can be written; 0: not yet, LIFE_TIMER (another try) or LIFE_ENDED
 * (it has suspended itself) follows; -errno: it cannot be stopped. */
int save_rest(struct vm *vm, struct vm_save *s, struct err *e);
/* save.c: checks whether a VM that runs or is paused can be saved: 0, also in other states, or the
 * error of vm_save(). */
int vm_check_save(struct vm *vm, struct err *e);
/* 1: all of its vCPUs are blocked, and it is paused; 0: it runs. */
int save_pause_blocked(struct vm *vm, struct vm_save *s, struct err *e);

/* take.c: takes the state of a blocked VM that has touched few pages. s->paused: the caller
 * unpauses it in any case. 1: the state is in s->state; 0: a thread must do it; -errno. */
int save_take_short(struct vm *vm, struct vm_save *s, struct err *e);
/* take.c: a save with VM_SAVE_KEEP of a guest without devices can be taken in the same way: the VM
 * continues, and a thread writes the taken state. */
bool save_can_part(struct vm *vm, const struct vm_save *s);
void save_part(struct vm_save *s);
/* Ends such a save; without `taken` the client has disconnected, and it is cancelled. False: no
 * save has this id. */
bool save_end_parted(struct engine *en, stream_id id, bool taken);
void saves_close_parted(struct engine *en);
/* save.c: gives it to a thread; lets the VM continue; stops the VM; begins to write; separates it
 * from the VM. */
void save_push(struct vm_save *s);
void save_go_on(struct vm *vm, int rc, const struct err *e);
int save_begin_rest(struct vm *vm, struct err *e);
void save_begin_writing(struct vm *vm);
void save_detach(struct vm_save *s, int rc, const struct err *e);

/* rounds.c: begins the rounds; does a step on a thread; handles the end of a step. */
void rounds_begin(struct vm_save *s);
int rounds_work(struct vm_save *s, struct xen *x, struct err *e);
int rounds_over(struct vm *vm, const struct life_news *n);
/* Unmaps its pages by a thread, and then frees it; false: it has none. */
bool rounds_free_later(struct vm_save *s);

/* save.c */
void save_answer(struct vm_save *s, int rc, const struct err *e);
struct worker_job save_job(void);
void save_free(struct vm_save *s);

/* save_devices.c: checks whether it can be saved with its devices: 0 or -EOPNOTSUPP. */
int save_check_devices(const struct vm *vm, bool bare, struct err *e);
/* The part for all guests: its disks must have paths. */
int save_check_paths(const struct vm *vm, struct err *e);
/* A guest with disks must suspend itself: only it can wait for the answers of its requests. */
bool save_has_disks(const struct vm *vm);
/* Notes the paths of its disks. -ENOMEM; save_forget_disks() in any case. */
int save_note_disks(const struct vm *vm, struct vm_save *s, struct err *e);
void save_forget_disks(struct vm_save *s);
/* On a thread: syncs the disks, and copies them into s->disks, if there is one. */
int save_sync_disks(struct vm_save *s, struct err *e);

#endif
