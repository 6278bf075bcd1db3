/* SPDX-License-Identifier: BSD-3-Clause */
/* What the events of a VM's life do (state.h), for table.c and among the verbs themselves. */
#ifndef CHAOS_ENGINE_LIFE_VERBS_H
#define CHAOS_ENGINE_LIFE_VERBS_H

#include "split-toolstack/engine/vm/state.h"

typedef int life_verb(struct vm *vm, const struct life_news *n);

/* build.c */
life_verb life_build;	  /* builds it on the loop or on the worker */
life_verb life_abandoned; /* what was built in vain goes */
/* start.c */
life_verb life_built; /* connects it and starts its devices; it runs when these are there */
life_verb life_look_at_connecting; /* soon: not inside what has happened to a device */
life_verb life_connect_time;	   /* its create ends when its devices are there, or too late */
/* run_gate.c */
/* One at its gate that is not to run yet is as any other: paused, and vm_let_run() unpauses it. */
int vm_leave_gate(struct vm *vm);
/* Unpauses it, or opens its gate: now, or when the backends of its rings are connected. */
int vm_let_run(struct vm *vm);
life_verb life_look_at_gated; /* runs it when its devices are there */
life_verb life_gate_time;     /* runs it without those that have not come */
/* restart.c */
life_verb life_restart; /* the delay is over */
life_verb life_delay;	/* its old devices are gone: the delay begins */
/* end.c */
life_verb life_end;	 /* reason, code, and its on_* action */
life_verb life_end_kept; /* a preserved domain was destroyed by others */
life_verb life_end_unknown;
life_verb life_resume_time; /* one that has suspended itself is resumed once more */
/* destroy.c */
life_verb life_destroy_waiting, life_destroy_living, life_destroy_kept;
/* refuse.c: and say why */
life_verb life_refuse_built, life_refuse_ended, life_refuse_unknown;
life_verb life_refuse_saving, life_refuse_gated, life_refuse_moving, life_refuse_asleep;
/* pause.c */
life_verb life_unpause, life_unpause_others;
life_verb life_pause, life_pause_gated, life_pause_again;
/* save.c */
life_verb life_save;		    /* pauses it, and threads begin to write it */
life_verb life_written, life_taken; /* it goes on, waits for its client, or ends as saved */
life_verb life_run_saving;	    /* ends a save that holds it */
life_verb life_save_time;	    /* it has not come to rest: is tried again, or goes on */
life_verb life_end_saving, life_destroy_saving; /* what is written of it is of no use */
/* migrate.c */
life_verb life_move;	   /* save.c: what was written may be let run elsewhere */
life_verb life_moved;	   /* it is, and it ends here; or it is not, and goes on */
life_verb life_run_moving; /* a client says that it is not */
life_verb life_end_moving; /* it has suspended, which is known; or its domain is gone */
life_verb life_arrived;	   /* runs, or goes */
/* wake.c */
life_verb life_wake;	    /* its disks are opened: LIFE_PLACED follows */
life_verb life_wake_placed; /* a domain is filled out of its file: LIFE_BUILT follows */
/* other_slot.c: another domain had the id. True: another try is worth while. */
bool life_other_slot(struct vm *vm, struct err *e);
/* adopt_vm.c */
life_verb life_adopt;	/* tries to adopt it */
life_verb life_unheard; /* is to be adopted once more */
life_verb life_still_unknown;

/* rest.c: of one whose record says that it is being saved: what the last daemon has left. */
int save_end_left(const struct vm *vm, const struct xen_domain_info *info, struct err *e);
/* pause.c: what Xen was asked for has failed. */
int life_failed_to(const char *what, const struct vm *vm, int rc, struct err *e);
/* history.c: writes the VM into the registry; an error is logged. */
void life_record(struct vm *vm);
/* refuse.c: 0 if it runs or is paused, or says why it does not. */
int life_need_domain(struct vm *vm, struct err *e);
/* end.c: one that has suspended itself for a save could not be resumed (rc): LIFE_TIMER follows. */
void life_resume_later(struct vm *vm, int rc);
#define RESUME_AGAIN_S 0.5
/* history.c: its domain goes, and it is of the history. */
void life_into_history(struct vm *vm);
/* restart.c: on_*=restart; on_*=rename-restart: the domain stays under another name, to be
 * examined, and a new VM takes the name. */
void life_end_to_restart(struct vm *vm);
void life_rename_to_restart(struct vm *vm);
/* destroy.c: a destroy in two halves: the domain does not run any more (0, also when there is
 * none); then its end is told, and it goes. */
int life_stop(struct vm *vm, struct err *e);
void life_destroyed(struct vm *vm);
/* A guest that ends this soon after its start is restarted no faster than this. */
#define RESTART_MIN_S 1.0

/* Builds a VM in NOW_WAITING again after so long: LIFE_TIMER. */
static inline void life_restart_in(struct vm *vm, double seconds)
{
	life_wait_for(vm, WAIT_DELAY);
	life_timer(vm, seconds);
}

#endif
