/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest kit: what a small unikernel needs of Xen, on PV and PVH, under chaos or another
 * toolstack. */
#ifndef CHAOS_GUEST_KIT_H
#define CHAOS_GUEST_KIT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#include <noxs/abi.h>

#define PAGE_SIZE 4096ull
#define KIT_PORTS 24u /* that a guest may listen to */

struct xenstore_domain_interface;

/* How the guest came to life (kit/entry.S). */
enum kit_entry { KIT_DIRECT = 0, KIT_START_INFO = 1, KIT_HVM_START_INFO = 2 };

/* What the kit found out before guest_main(); for reading. One guest, so one global. */
struct kit {
	enum kit_entry entry;
	bool pv;
	volatile struct noxs_page *page;       /* NULL under a toolstack that knows no noxs */
	volatile struct noxs_control *control; /* at least its console part; never NULL */
	volatile struct shared_info *shared;
	uint32_t port;		    /* console and control event channel */
	uint32_t listen[KIT_PORTS]; /* what kit_wait() waits for; port is the first */
	uint32_t listeners;
	const void *info; /* start_info or hvm_start_info of a standard entry */
	volatile struct xenstore_domain_interface *store; /* NULL with a device page */
	uint32_t store_port;
	void (*at_stop)(void); /* called before the guest ends as it was asked to; may be NULL */
	uint32_t out_prod;
	uint32_t in_cons;
	uint32_t request_seen;
	uint64_t start_ns;	 /* kit_time_ns() when the device page's wall clock was read */
	uint64_t generation;	 /* of the device page, as far as the kit has taken it up */
	uint64_t last_ns;	 /* what kit_time_ns() said last ... */
	uint64_t ahead_ns;	 /* ... and how far it is before Xen's time */
	void (*at_resume)(void); /* called when the guest goes on as another domain; may be NULL */
	/* device.c's, in guests with devices: at the same time, and before the guest stops itself
	 * to be saved (false: it must not). */
	void (*resume_devices)(void);
	bool (*quiesce_devices)(void);
	const char *cmdline; /* never NULL */
};
extern struct kit kit;

/* The guest's program. Returning its exit code powers off. */
int guest_main(void);

/* --- hypercalls (kit/hypercall.h has the raw ones) --- */

/* Ends the VM: SHUTDOWN_* of Xen public/sched.h; exit_code 0..255 counts with SHUTDOWN_poweroff. */
void kit_shutdown(unsigned int reason, uint32_t exit_code) __attribute__((noreturn));
/* Ends as it was asked to, at_stop() first. */
void kit_stop(unsigned int reason) __attribute__((noreturn));

/* --- events --- */

/* Says "ready" to dom0, once. */
void kit_ready(void);
/* Tells dom0 that something on the control page changed. */
void kit_notify(void);
/* Blocks until an event comes on the control port or one of kit_listen(), or timeout_ns have passed
 * (0: no timeout); answers pings and obeys requests to end. Spurious returns happen, and an event
 * only says that something changed: look at everything you wait for before you wait again. */
void kit_wait(uint64_t timeout_ns);
/* The same for one port alone; other ports keep their events. */
void kit_wait_port(uint32_t port, uint64_t timeout_ns);
/* From now on kit_wait() returns for events of this port, too. */
void kit_listen(uint32_t port);

/* --- going on as another domain (noxs/abi.h) --- */

/* Says in the control page how this guest may be saved. */
void kit_can_save(void);
/* From now on it cannot be: it has what the kit cannot make anew. */
void kit_cannot_save(void);
/* After each call that blocks: if the guest is another domain now, takes up what that one has. */
void kit_look_around(void);
/* Finds the control channel in the device page. */
void kit_find_port(void);
/* Stops for being saved; returns in this domain or in another one. */
void kit_suspend(void);

/* --- console --- */

/* Waits while the ring is full: output is never lost. */
void kit_write(const char *data, size_t len);
/* Up to len bytes of input, 0 when there is none; never waits. */
size_t kit_read(char *data, size_t len);
/* %s %c %d %u %x %p %%, with l and ll, and width with 0 padding. */
void kit_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same into a buffer; returns the length it would have; always terminates. */
int kit_format(char *buf, size_t size, const char *fmt, va_list ap);

/* --- command line --- */

/* The number behind `key=` in the command line, or `none`. `key` without the '='. */
uint64_t kit_option(const char *key, uint64_t none);
/* What follows `key` in the word of the command line that begins with it ("ip=" finds "ip=..."), up
 * to a space; NULL without one. The nth such word, from 0; its length in *len. */
const char *kit_option_text(const char *key, uint32_t nth, size_t *len);

/* --- time --- */

/* Nanoseconds since boot of the host, by Xen's vCPU time info of vCPU 0. Never goes back: a guest
 * that goes on on another host counts on from what it had. */
uint64_t kit_time_ns(void);
/* The same as Xen has it, which timeouts are told in. */
uint64_t kit_xen_ns(void);
/* Nanoseconds since 1970-01-01 UTC. */
uint64_t kit_wallclock_ns(void);

/* --- traps --- */

/* From now on a fault prints what and where, and ends the VM as crashed. Without it a fault ends
 * the VM without words. */
void kit_traps(void);

/* --- more vCPUs --- */

/* Starts vCPU `id` (1..31) in fn(arg) on the given stack (its highest address). When fn returns the
 * vCPU goes down. 0 or a negative Xen errno. */
int kit_vcpu_start(uint32_t id, void (*fn)(void *arg), void *arg, void *stack_top);

/* --- the start --- */
void kit_start(void *info, enum kit_entry entry) __attribute__((noreturn));

extern char image_end[];
extern char bss_start[], bss_end[];

#endif
