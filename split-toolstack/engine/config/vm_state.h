/* SPDX-License-Identifier: BSD-3-Clause */
/* The states of a VM and the reasons of its end, as in answers to clients and in records. */
#ifndef CHAOS_ENGINE_VM_STATE_H
#define CHAOS_ENGINE_VM_STATE_H

enum vm_state {
	VM_BUILDING, /* the name is reserved; the domain does not exist yet, or is not complete */
	VM_RUNNING,
	VM_PAUSED,	    /* paused by chaosd: VM_CREATE_PAUSED or vm_pause() */
	VM_ENDED_PRESERVED, /* shut down; the domain is kept because of on_*=preserve */
	VM_ENDED,	    /* in the history, without a domain */
	VM_UNKNOWN,	    /* found after a restart of the daemon; a call to adopt it has failed */
	VM_SAVING,	    /* stopped while its memory is written into a file */
	VM_MOVING, /* stopped, because it was given to another host, which has not confirmed yet */
	VM_ASLEEP, /* in a file of chaosd, without a domain: see vm_wake() */
};

enum vm_reason {
	VM_REASON_NONE,
	VM_REASON_POWEROFF, /* exit_code is valid */
	VM_REASON_REBOOT,
	VM_REASON_SUSPEND,
	VM_REASON_CRASH,
	VM_REASON_WATCHDOG,
	VM_REASON_DESTROYED, /* by a client */
	VM_REASON_LOST,	     /* the domain disappeared and chaosd did not destroy it */
	VM_REASON_SAVED,     /* its memory is in a file from which it can be restored */
	VM_REASON_MIGRATED,  /* it runs on another host */
};

#endif
