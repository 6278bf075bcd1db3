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
	struct vm_save *prev, *next; /* of those that parted */
	struct engine *en;
	struct vm *vm; /* NULL: it has gone, and nothing waits for the thread */
	stream_id id;
	struct transfer file; /* of a take: none */
	uint32_t flags;
	vm_save_fn *fn;		   /* NULL: was called */
	vm_take_fn *take;	   /* it is not written: its state is taken ... */
	bool bare;		   /* ... without its devices, which are not touched */
	struct save_stream *state; /* which was */
	void *arg;
	enum { RESTING, WRITING, WRITTEN, ROUNDS } phase;
	bool busy; /* a thread has it */
	/* ROUNDS: the VM runs, and each round waits for the client's word */
	vm_round_fn *on_round;
	struct live *live;
	bool counted;		/* as a stream, with its file closed */
	struct live_maps *left; /* to be unmapped behind the answer */
	struct live_round round;
	struct save_stats live_st;
	bool enough; /* no more rounds */
	enum vm_now was;
	bool taken;	/* take was called */
	bool paused;	/* by us, for this */
	bool suspended; /* it has stopped itself */
	ev_tstamp rest_until;
	uint64_t start_ns, stop_ns;
	uint64_t stopped_ns; /* it stood still for so long; 0: it does so still */
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

/* rest.c: whether it can be saved, asked before anything is changed; `bare`: without its devices.
 */
int save_check_vm(struct vm *vm, bool bare, struct err *e);
/* rest.c: brings the guest to rest. 1: it can be written; 0: not yet, LIFE_TIMER (it is tried
 * again) or LIFE_ENDED (it has stopped itself) follows; -errno: it cannot be brought to rest. */
int save_rest(struct vm *vm, struct vm_save *s, struct err *e);
/* save.c: whether a VM that runs or is paused can be saved at all, before anything is made for it:
 * 0, also in other states; or what vm_save() would say. */
int vm_check_save(struct vm *vm, struct err *e);
/* 1: it is paused, as all of its vCPUs are blocked; 0: they are not, and it runs. */
int save_pause_blocked(struct vm *vm, struct vm_save *s, struct err *e);

/* take.c: takes the state of a VM that has touched little and rests; s->paused: the caller is to
 * unpause it, whatever this returns. 1: s->state; 0: it is the thread's; -errno. */
int save_take_short(struct vm *vm, struct vm_save *s, struct err *e);
/* take.c: a save with VM_SAVE_KEEP of a guest without devices may be taken likewise: then the VM
 * goes on, and a thread writes what was taken. */
bool save_can_part(struct vm *vm, const struct vm_save *s);
void save_part(struct vm_save *s);
/* Its client is gone (unless `taken`): it is given up. False: there is none of this id. */
bool save_end_parted(struct engine *en, stream_id id, bool taken);
void saves_close_parted(struct engine *en);
/* save.c: a thread works for it; it goes on as before; it rests, and is written; of what the loop
 * has of it the VM has no use any more. */
void save_push(struct vm_save *s);
void save_go_on(struct vm *vm, int rc, const struct err *e);
int save_begin_rest(struct vm *vm, struct err *e);
void save_begin_writing(struct vm *vm);
void save_detach(struct vm_save *s, int rc, const struct err *e);

/* rounds.c: begins them; a step of them on a thread; a step is over. */
void rounds_begin(struct vm_save *s);
int rounds_work(struct vm_save *s, struct xen *x, struct err *e);
int rounds_over(struct vm *vm, const struct life_news *n);
/* What it has mapped is unmapped by a thread, and then it is freed; false: it has nothing. */
bool rounds_free_later(struct vm_save *s);

/* save.c */
void save_answer(struct vm_save *s, int rc, const struct err *e);
struct worker_job save_job(void);
void save_free(struct vm_save *s);

/* save_devices.c: whether its devices let it be saved: 0 or -EOPNOTSUPP. */
int save_check_devices(const struct vm *vm, bool bare, struct err *e);
/* The part of it that counts for any guest: its disks have paths. */
int save_check_paths(const struct vm *vm, struct err *e);
/* Only the guest itself knows when the requests to its disks are answered: it has to suspend. */
bool save_has_disks(const struct vm *vm);
/* -ENOMEM; save_forget_disks() in any case. */
int save_note_disks(const struct vm *vm, struct vm_save *s, struct err *e);
void save_forget_disks(struct vm_save *s);
/* On a thread: what the guest has written is on its disks. */
int save_sync_disks(const struct vm_save *s, struct err *e);

#endif
