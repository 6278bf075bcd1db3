/* SPDX-License-Identifier: BSD-3-Clause */
/* The states of a VM and the reasons of its end, as clients see them and records keep them. */
#ifndef CHAOS_ENGINE_VM_STATE_H
#define CHAOS_ENGINE_VM_STATE_H

enum vm_state {
	VM_BUILDING, /* reserved name; not yet a domain, or not yet complete */
	VM_RUNNING,
	VM_PAUSED,	    /* by us: created with VM_CREATE_PAUSED or vm_pause() */
	VM_ENDED_PRESERVED, /* shut down, domain kept because of on_*=preserve */
	VM_ENDED,	    /* history: no domain */
	VM_UNKNOWN,	    /* after a restart of the daemon: could not be taken over yet */
	VM_SAVING,	    /* it stands still while its memory is written into a file */
	VM_MOVING,	    /* it stands still: another host may have it, which is to be told */
	VM_ASLEEP,	    /* in a file of chaosd's own, without a domain: vm_wake() */
};

enum vm_reason {
	VM_REASON_NONE,
	VM_REASON_POWEROFF, /* exit_code is valid */
	VM_REASON_REBOOT,
	VM_REASON_SUSPEND,
	VM_REASON_CRASH,
	VM_REASON_WATCHDOG,
	VM_REASON_DESTROYED, /* by a client */
	VM_REASON_LOST,	     /* the domain vanished behind our back or while the daemon was down */
	VM_REASON_SAVED,     /* its memory is in a file, which it can be restored from */
	VM_REASON_MIGRATED,  /* it goes on on another host */
};

#endif
