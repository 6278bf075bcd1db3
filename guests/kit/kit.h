/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest kit: the functions that a small unikernel needs on Xen, PV and PVH, under chaos or
 * another toolstack. */
#ifndef CHAOS_GUEST_KIT_H
#define CHAOS_GUEST_KIT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#include <noxs/abi.h>

#define PAGE_SIZE 4096ull
#define KIT_PORTS 24u /* maximal number of ports that a guest listens to */

struct xenstore_domain_interface;

/* The entry at which the guest was started (kit/entry.S). */
enum kit_entry { KIT_DIRECT = 0, KIT_START_INFO = 1, KIT_HVM_START_INFO = 2 };

/* Facts found before guest_main(); for reading. There is one guest, so it is a global. */
struct kit {
	enum kit_entry entry;
	bool pv;
	volatile struct noxs_page *page;       /* NULL under a toolstack without noxs */
	volatile struct noxs_control *control; /* at least its console part exists; never NULL */
	volatile struct shared_info *shared;
	uint32_t port;		    /* console and control event channel */
	uint32_t listen[KIT_PORTS]; /* ports that kit_wait() waits for; the first is `port` */
	uint32_t listeners;
	const void *info; /* start_info or hvm_start_info of a standard entry */
	volatile struct xenstore_domain_interface *store; /* NULL with a device page */
	uint32_t store_port;
	void (*at_stop)(void); /* called before the guest ends on request; may be NULL */
	uint32_t out_prod;
	uint32_t in_cons;
	uint32_t request_seen;
	uint64_t start_ns;   /* kit_time_ns() when the device page's wall clock was read */
	uint64_t generation; /* the device page's generation that the kit has handled */
	uint64_t last_ns;    /* the last result of kit_time_ns() ... */
	uint64_t ahead_ns;   /* ... and how far it is ahead of Xen's time */
	void (*at_resume)(
		void); /* called when the guest continues as another domain; may be NULL */
	/* set by device.c in guests with devices: called at the same time, and before the guest
	 * suspends itself (false: it must not). */
	void (*resume_devices)(void);
	bool (*quiesce_devices)(void);
	const char *cmdline; /* never NULL */
};
extern struct kit kit;

/* The guest's program. Its return value is the exit code, and powers the VM off. */
int guest_main(void);

/* --- hypercalls (kit/hypercall.h has the raw ones) --- */

/* Ends the VM: SHUTDOWN_* of Xen public/sched.h; exit_code 0..255 is used with
 * SHUTDOWN_poweroff. */
void kit_shutdown(unsigned int reason, uint32_t exit_code) __attribute__((noreturn));
/* Ends on request: calls at_stop() first. */
void kit_stop(unsigned int reason) __attribute__((noreturn));

/* --- events --- */

/* Reports "ready" to dom0, once. */
void kit_ready(void);
/* Sends dom0 an event: something on the control page has changed. */
void kit_notify(void);
/* Blocks until an event comes on the control port or a port of kit_listen(), or timeout_ns have
 * passed (0: no timeout). Answers pings and obeys requests to end. It may also return without a
 * reason; an event has no meaning of its own: check everything that you wait for before you wait
 * again. */
void kit_wait(uint64_t timeout_ns);
/* The same for one port; events of other ports are kept. */
void kit_wait_port(uint32_t port, uint64_t timeout_ns);
/* Makes kit_wait() also return for events of this port. */
void kit_listen(uint32_t port);

/* --- save, restore and copies (noxs/abi.h) --- */

/* Sets in the control page how this guest may be saved. */
void kit_can_save(void);
/* Clears that: the guest has something that the kit cannot restore. */
void kit_cannot_save(void);
/* Call it after each call that blocks: if the guest is another domain now, it takes channel,
 * devices and grants from the new page. */
void kit_look_around(void);
/* Finds the control channel in the device page. */
void kit_find_port(void);
/* Suspends for a save; returns in this domain or in another one. */
void kit_suspend(void);

/* --- console --- */

/* Waits while the ring is full, so that no output is lost. */
void kit_write(const char *data, size_t len);
/* Reads up to len bytes of input, 0 if there is none; does not block. */
size_t kit_read(char *data, size_t len);
/* %s %c %d %u %x %p %%, with l and ll, and width with 0 padding. */
void kit_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same into a buffer; returns the length it would have; always terminates. */
int kit_format(char *buf, size_t size, const char *fmt, va_list ap);

/* --- command line --- */

/* The number after `key=` in the command line, or `none`. `key` without the '='. */
uint64_t kit_option(const char *key, uint64_t none);
/* The text after `key` in the nth word (from 0) of the command line that begins with it ("ip="
 * finds "ip=..."), up to a space; NULL: there is none. Its length is in *len. */
const char *kit_option_text(const char *key, uint32_t nth, size_t *len);

/* --- time --- */

/* Nanoseconds since the host was booted, from Xen's time info of vCPU 0. Never decreases: after
 * a move to another host it continues from its last value. */
uint64_t kit_time_ns(void);
/* Xen's own value, which timeouts use. */
uint64_t kit_xen_ns(void);
/* Nanoseconds since 1970-01-01 UTC. */
uint64_t kit_wallclock_ns(void);

/* --- traps --- */

/* Makes a fault print its kind and address before the VM ends as crashed. Without it nothing is
 * printed. */
void kit_traps(void);

/* --- more vCPUs --- */

/* Starts vCPU `id` (1..31) in fn(arg) on the given stack (its highest address). When fn returns,
 * the vCPU goes down. 0 or a negative Xen errno. */
int kit_vcpu_start(uint32_t id, void (*fn)(void *arg), void *arg, void *stack_top);

/* --- the start --- */
void kit_start(void *info, enum kit_entry entry) __attribute__((noreturn));

extern char image_end[];
extern char bss_start[], bss_end[];

#endif
