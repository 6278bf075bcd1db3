/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a VM: the function of each event in each state, and the states that may follow. */
#include <stddef.h>

#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/vm/state.h"

/* Events that have no effect in this state. */
static int nothing(struct vm *vm, const struct life_news *n)
{
	(void)vm;
	(void)n;
	return 0;
}

#define TO(state) (1u << NOW_##state)
/* If the VM was built on the loop, it may already run, or have failed, when the function returns.
 */
#define STARTED                                                                                    \
	(TO(CONNECTING) | TO(ARRIVING) | TO(GATED) | TO(RUNNING) | TO(PAUSED) | TO(ENDED) |        \
	 LIFE_FREE)
/* After another try to adopt the VM: the state of its record. */
#define ADOPTED                                                                                    \
	(TO(WAITING) | TO(GATED) | TO(RUNNING) | TO(PAUSED) | TO(MOVING) | TO(PRESERVED) |         \
	 TO(ENDED) | TO(UNKNOWN) | TO(ASLEEP))
/* After a wake: it runs, or is still asleep. */
#define WOKEN (TO(GATED) | TO(RUNNING) | TO(PAUSED) | TO(ASLEEP))
/* After the on_* action; if the VM was built on the loop, it may already run again. */
#define ACTION (TO(WAITING) | TO(PRESERVED) | TO(ENDED) | TO(BUILDING) | STARTED)

/* clang-format off */
const struct life_cell life_table[NOW_COUNT][LIFE_EVENTS] = {
	[NOW_NEW] = {
		[LIFE_PLACED]    = {life_build, TO(BUILDING) | STARTED},
		[LIFE_RUN]       = {life_refuse_built, TO(NEW)},
		[LIFE_PAUSE]     = {life_refuse_built, TO(NEW)},
		[LIFE_DESTROY]   = {life_destroy_waiting, TO(ENDED) | TO(ABANDONED)},
		[LIFE_SAVE]      = {life_refuse_built, TO(NEW)},
	},
	[NOW_WAITING] = {
		[LIFE_PLACED]    = {life_build, TO(BUILDING) | STARTED},
		[LIFE_CONNECTED] = {nothing, TO(WAITING)},
		[LIFE_FREED]     = {life_delay, TO(WAITING)},
		[LIFE_TIMER]     = {life_restart, TO(WAITING) | TO(BUILDING) | STARTED},
		[LIFE_RUN]       = {life_refuse_built, TO(WAITING)},
		[LIFE_PAUSE]     = {life_refuse_built, TO(WAITING)},
		[LIFE_DESTROY]   = {life_destroy_waiting, TO(ENDED) | TO(ABANDONED)},
		[LIFE_SAVE]      = {life_refuse_built, TO(WAITING)},
	},
	[NOW_BUILDING] = {
		[LIFE_BUILT]     = {life_built, STARTED},
		[LIFE_CONNECTED] = {nothing, TO(BUILDING)},
		[LIFE_ENDED]     = {nothing, TO(BUILDING)},
		[LIFE_RUN]       = {life_refuse_built, TO(BUILDING)},
		[LIFE_PAUSE]     = {life_refuse_built, TO(BUILDING)},
		[LIFE_DESTROY]   = {life_destroy_waiting, TO(ABANDONED)},
		[LIFE_SAVE]      = {life_refuse_built, TO(BUILDING)},
	},
	[NOW_CONNECTING] = {
		[LIFE_CONNECTED] = {life_look_at_connecting, TO(CONNECTING)},
		[LIFE_TIMER]     = {life_connect_time, STARTED},
		[LIFE_ENDED]     = {nothing, TO(CONNECTING)},
		[LIFE_RUN]       = {life_refuse_built, TO(CONNECTING)},
		[LIFE_PAUSE]     = {life_refuse_built, TO(CONNECTING)},
		[LIFE_DESTROY]   = {life_destroy_waiting, TO(ENDED)},
		[LIFE_SAVE]      = {life_refuse_built, TO(CONNECTING)},
	},
	[NOW_GATED] = {
		[LIFE_CONNECTED] = {life_look_at_gated, TO(GATED) | TO(RUNNING) | TO(PAUSED)},
		[LIFE_TIMER]     = {life_gate_time, TO(RUNNING) | TO(PAUSED)},
		[LIFE_ENDED]     = {life_end, ACTION},
		[LIFE_UNHEARD]   = {life_unheard, TO(UNKNOWN)},
		[LIFE_RUN]       = {nothing, TO(GATED)},
		[LIFE_PAUSE]     = {life_pause_gated, TO(GATED) | TO(PAUSED)},
		[LIFE_DESTROY]   = {life_destroy_living, TO(GATED) | TO(ENDED)},
		[LIFE_SAVE]      = {life_refuse_gated, TO(GATED)},
	},
	[NOW_RUNNING] = {
		[LIFE_CONNECTED] = {nothing, TO(RUNNING)},
		[LIFE_TIMER]     = {life_resume_time, TO(RUNNING) | ACTION},
		[LIFE_ENDED]     = {life_end, TO(RUNNING) | ACTION},
		[LIFE_UNHEARD]   = {life_unheard, TO(UNKNOWN)},
		[LIFE_RUN]       = {life_unpause_others, TO(RUNNING)},
		[LIFE_PAUSE]     = {life_pause, TO(RUNNING) | TO(PAUSED)},
		[LIFE_DESTROY]   = {life_destroy_living, TO(RUNNING) | TO(ENDED)},
		[LIFE_SAVE]      = {life_save, TO(RUNNING) | TO(PAUSED) | TO(SAVING)},
	},
	[NOW_PAUSED] = {
		[LIFE_CONNECTED] = {nothing, TO(PAUSED)},
		[LIFE_TIMER]     = {life_resume_time, TO(PAUSED) | ACTION},
		[LIFE_ENDED]     = {life_end, TO(PAUSED) | ACTION},
		[LIFE_UNHEARD]   = {life_unheard, TO(UNKNOWN)},
		[LIFE_RUN]       = {life_unpause, TO(GATED) | TO(RUNNING) | TO(PAUSED)},
		[LIFE_PAUSE]     = {life_pause_again, TO(PAUSED)},
		[LIFE_DESTROY]   = {life_destroy_living, TO(PAUSED) | TO(ENDED)},
		[LIFE_SAVE]      = {life_save, TO(PAUSED) | TO(SAVING)},
	},
	[NOW_SAVING] = {
		[LIFE_CONNECTED] = {nothing, TO(SAVING)},
		[LIFE_TIMER]     = {life_save_time, TO(SAVING) | TO(RUNNING) | TO(PAUSED)},
		[LIFE_ENDED]     = {life_end_saving, TO(SAVING) | ACTION},
		[LIFE_RUN]       = {life_run_saving, TO(SAVING) | TO(RUNNING) | TO(PAUSED)},
		[LIFE_PAUSE]     = {life_refuse_saving, TO(SAVING)},
		[LIFE_DESTROY]   = {life_destroy_saving, TO(SAVING) | TO(ENDED)},
		[LIFE_SAVE]      = {life_refuse_saving, TO(SAVING)},
		[LIFE_WRITTEN]   = {life_written, TO(SAVING) | TO(RUNNING) | TO(PAUSED)},
		[LIFE_TAKEN]     = {life_taken, TO(SAVING) | TO(RUNNING) | TO(PAUSED) | TO(ENDED) | TO(ASLEEP)},
		[LIFE_MOVE]      = {life_move, TO(SAVING) | TO(MOVING)},
	},
	[NOW_MOVING] = {
		[LIFE_CONNECTED] = {nothing, TO(MOVING)},
		[LIFE_ENDED]     = {life_end_moving, TO(MOVING) | ACTION},
		[LIFE_UNHEARD]   = {life_unheard, TO(UNKNOWN)},
		[LIFE_RUN]       = {life_run_moving, TO(MOVING) | TO(GATED) | TO(RUNNING)},
		[LIFE_PAUSE]     = {life_refuse_moving, TO(MOVING)},
		[LIFE_DESTROY]   = {life_destroy_living, TO(MOVING) | TO(ENDED)},
		[LIFE_SAVE]      = {life_refuse_moving, TO(MOVING)},
		[LIFE_TAKEN]     = {life_moved, TO(MOVING) | TO(GATED) | TO(RUNNING) | TO(PAUSED) | TO(ENDED)},
	},
	[NOW_ARRIVING] = {
		[LIFE_CONNECTED] = {nothing, TO(ARRIVING)},
		[LIFE_ENDED]     = {nothing, TO(ARRIVING)},
		[LIFE_RUN]       = {life_refuse_built, TO(ARRIVING)},
		[LIFE_PAUSE]     = {life_refuse_built, TO(ARRIVING)},
		[LIFE_DESTROY]   = {life_destroy_waiting, TO(ENDED)},
		[LIFE_SAVE]      = {life_refuse_built, TO(ARRIVING)},
		[LIFE_TAKEN]     = {life_arrived, STARTED},
	},
	[NOW_PRESERVED] = {
		[LIFE_CONNECTED] = {nothing, TO(PRESERVED)},
		[LIFE_ENDED]     = {life_end_kept, TO(PRESERVED) | TO(ENDED)},
		[LIFE_UNHEARD]   = {life_unheard, TO(UNKNOWN)},
		[LIFE_RUN]       = {life_refuse_ended, TO(PRESERVED)},
		[LIFE_PAUSE]     = {life_refuse_ended, TO(PRESERVED)},
		[LIFE_DESTROY]   = {life_destroy_kept, TO(ENDED)},
		[LIFE_SAVE]      = {life_refuse_ended, TO(PRESERVED)},
	},
	[NOW_ABANDONED] = {
		[LIFE_PLACED]    = {life_abandoned, TO(ENDED) | LIFE_FREE},
		[LIFE_BUILT]     = {life_abandoned, TO(ENDED) | LIFE_FREE},
		[LIFE_CONNECTED] = {nothing, TO(ABANDONED)},
		[LIFE_RUN]       = {life_refuse_ended, TO(ABANDONED)},
		[LIFE_PAUSE]     = {life_refuse_ended, TO(ABANDONED)},
		[LIFE_DESTROY]   = {life_refuse_ended, TO(ABANDONED)},
		[LIFE_SAVE]      = {life_refuse_ended, TO(ABANDONED)},
	},
	[NOW_ENDED] = {
		[LIFE_CONNECTED] = {nothing, TO(ENDED)},
		[LIFE_RUN]       = {life_refuse_ended, TO(ENDED)},
		[LIFE_PAUSE]     = {life_refuse_ended, TO(ENDED)},
		[LIFE_DESTROY]   = {life_refuse_ended, TO(ENDED)},
		[LIFE_SAVE]      = {life_refuse_ended, TO(ENDED)},
	},
	[NOW_UNKNOWN] = {
		[LIFE_CONNECTED] = {nothing, TO(UNKNOWN)},
		[LIFE_TIMER]     = {life_adopt, ADOPTED},
		[LIFE_ENDED]     = {life_end_unknown, TO(UNKNOWN)},
		[LIFE_UNHEARD]   = {life_still_unknown, TO(UNKNOWN)},
		[LIFE_RUN]       = {life_refuse_unknown, TO(UNKNOWN)},
		[LIFE_PAUSE]     = {life_refuse_unknown, TO(UNKNOWN)},
		[LIFE_DESTROY]   = {life_destroy_living, TO(UNKNOWN) | TO(ENDED)},
		[LIFE_SAVE]      = {life_refuse_unknown, TO(UNKNOWN)},
	},
	[NOW_ASLEEP] = {
		[LIFE_PLACED]    = {life_wake_placed, TO(WAKING) | WOKEN},
		[LIFE_CONNECTED] = {nothing, TO(ASLEEP)},
		[LIFE_FREED]     = {nothing, TO(ASLEEP)},
		[LIFE_RUN]       = {life_refuse_asleep, TO(ASLEEP)},
		[LIFE_PAUSE]     = {life_refuse_asleep, TO(ASLEEP)},
		[LIFE_DESTROY]   = {life_destroy_waiting, TO(ENDED)},
		[LIFE_SAVE]      = {life_refuse_asleep, TO(ASLEEP)},
		[LIFE_WAKE]      = {life_wake, TO(WAKING) | WOKEN},
	},
	[NOW_WAKING] = {
		[LIFE_BUILT]     = {life_built, WOKEN},
		[LIFE_CONNECTED] = {nothing, TO(WAKING)},
		[LIFE_ENDED]     = {nothing, TO(WAKING)},
		[LIFE_RUN]       = {life_refuse_asleep, TO(WAKING)},
		[LIFE_PAUSE]     = {life_refuse_asleep, TO(WAKING)},
		[LIFE_DESTROY]   = {life_destroy_waiting, TO(ABANDONED)},
		[LIFE_SAVE]      = {life_refuse_asleep, TO(WAKING)},
	},
};
/* clang-format on */

int life_open(struct engine *en, struct err *e)
{
	return vms_open(en, life_table, e);
}
