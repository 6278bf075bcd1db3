/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions of the events of a VM's life (vm/state.h), for table.c and for each other. */
#ifndef CHAOS_ENGINE_LIFE_VERBS_H
#define CHAOS_ENGINE_LIFE_VERBS_H

#include "split-toolstack/engine/vm/state.h"

typedef int life_verb(struct vm *vm, const struct life_news *n);

/* build.c */
life_verb life_build;	  /* builds it on the loop or on the worker */
life_verb life_abandoned; /* removes what was built for a VM that was destroyed meanwhile */
/* start.c */
life_verb life_built; /* connects it and starts its devices; it runs when these are there */
life_verb life_look_at_connecting; /* checks in the next turn of the loop: not inside a change of a
				      device */
life_verb life_connect_time; /* answers the create if its devices have connected, or time is over */
/* run_gate.c */
/* For a guest at its gate that must not run yet: pauses the domain and opens the gate; vm_let_run()
 * unpauses it. */
int vm_leave_gate(struct vm *vm);
/* Unpauses the guest, or opens its gate: now, or when the backends of its rings have connected. */
int vm_let_run(struct vm *vm);
life_verb life_look_at_gated; /* lets it run if its devices have connected */
life_verb life_gate_time;     /* lets it run without devices that have not connected */
/* restart.c */
life_verb life_restart; /* the delay is over */
life_verb life_delay;	/* its old devices are gone: the delay begins */
/* end.c */
life_verb life_end;	 /* sets reason and code, and does the on_* action */
life_verb life_end_kept; /* a preserved domain was destroyed by others */
life_verb life_end_unknown;
life_verb life_resume_time; /* resumes a guest that has suspended itself once more */
/* destroy.c */
life_verb life_destroy_waiting, life_destroy_living, life_destroy_kept;
/* refuse.c: errors with a reason */
life_verb life_refuse_built, life_refuse_ended, life_refuse_unknown;
life_verb life_refuse_saving, life_refuse_gated, life_refuse_moving, life_refuse_asleep;
/* pause.c */
life_verb life_unpause, life_unpause_others;
life_verb life_pause, life_pause_gated, life_pause_again;
/* save.c */
life_verb life_save;		    /* pauses it, and threads begin to write it */
life_verb life_written, life_taken; /* the VM continues, waits for its client, or ends as saved */
life_verb life_run_saving;	    /* ends the save */
life_verb life_save_time; /* the guest has not stopped: tries again, or lets it continue */
life_verb life_end_saving, life_destroy_saving; /* ends a save that has no use any more */
/* migrate.c */
life_verb life_move;	   /* save.c: from now on another host may run it */
life_verb life_moved;	   /* ends it here, because another host runs it; or lets it continue */
life_verb life_run_moving; /* lets it continue: a client reports that no other host runs it */
life_verb life_end_moving; /* ignores its suspend; ends it if its domain is gone */
life_verb life_arrived;	   /* lets it run, or removes it */
/* wake.c */
life_verb life_wake;	    /* opens its disks: LIFE_PLACED follows */
life_verb life_wake_placed; /* threads fill a domain from its file: LIFE_BUILT follows */
/* other_slot.c: another domain had the id, so the VM gets another slot. True: try again. */
bool life_other_slot(struct vm *vm, struct err *e);
/* adopt_vm.c */
life_verb life_adopt;	/* tries to adopt it */
life_verb life_unheard; /* its state becomes unknown again */
life_verb life_still_unknown;

/* rest.c: ends a save that the last daemon has left, by the record. */
int save_end_left(const struct vm *vm, const struct xen_domain_info *info, struct err *e);
/* pause.c: sets the error of a call that has failed. */
int life_failed_to(const char *what, const struct vm *vm, int rc, struct err *e);
/* history.c: writes the VM into the registry; an error is logged. */
void life_record(struct vm *vm);
/* refuse.c: 0 if it runs or is paused, otherwise an error with the reason. */
int life_need_domain(struct vm *vm, struct err *e);
/* end.c: a guest that has suspended itself for a save could not be resumed (rc): LIFE_TIMER
 * follows. */
void life_resume_later(struct vm *vm, int rc);
#define RESUME_AGAIN_S 0.5
/* history.c: destroys its domain, and moves the VM into the history. */
void life_into_history(struct vm *vm);
/* restart.c: on_*=restart; on_*=rename-restart: the domain stays under another name, to be
 * examined, and a new VM takes the name. */
void life_end_to_restart(struct vm *vm);
void life_rename_to_restart(struct vm *vm);
/* destroy.c: a destroy in two halves: life_stop() pauses the domain (0 also if there is none);
 * life_destroyed() announces the end and destroys the domain. */
int life_stop(struct vm *vm, struct err *e);
void life_destroyed(struct vm *vm);
/* A guest that ends this soon after its start is restarted no faster than this. */
#define RESTART_MIN_S 1.0

/* Builds a VM in NOW_WAITING again after this time: LIFE_TIMER. */
static inline void life_restart_in(struct vm *vm, double seconds)
{
	life_wait_for(vm, WAIT_DELAY);
	life_timer(vm, seconds);
}

#endif
