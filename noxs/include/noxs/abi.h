/* SPDX-License-Identifier: BSD-3-Clause */
/* The noxs ABI, version 1: all that a guest and dom0 share. Guests and dom0 compile this file. */
#ifndef NOXS_ABI_H
#define NOXS_ABI_H

/*
 * Freestanding: stdint and nothing else. Every multi-byte field is little-endian.
 *
 * VERSIONS. NOXS_ABI_VERSION is the version of the pages below. A later version only gives meaning
 * to bytes that are reserved here; a guest accepts any page whose version it was told of by the
 * range in its own ELF note, and dom0 writes the highest version both know. Reserved bytes and
 * padding are zero; guest and dom0 ignore flags that they do not know.
 *
 * HOW A GUEST GETS ITS PAGES
 *
 *  1. Its ELF image carries a note (section type SHT_NOTE in a PT_NOTE segment) with the name
 * "noxs", the type NOXS_NOTE_TYPE and a struct noxs_note. An image without one gets no device page.
 *  2. entry != 0: each vCPU 0 starts in 64-bit mode at the virtual address `entry`:
 *       %rbx = virtual address of the device page, %rax and %rsp undefined, interrupts off.
 *       PVH: paging on, page tables made by the builder map all memory of the guest, the shared
 *            info page and the local APIC page 1:1 with 2 MiB pages (so "virtual" =
 * guest-physical); cr0 = PG|ET|PE, cr4 = PAE|OSFXSR|OSXMMEXCPT, EFER = SCE|LME|LMA, flat segments
 * whose descriptors are cached in the CPU but in no table: load your own GDT before any far
 *            transfer, exception or segment load.
 *       PV:  page tables made by the builder map guest page n at VIRT_BASE + n * 4096 for all of
 *            its memory, and the shared info page behind it; page-table pages are read-only.
 *            Event upcalls are masked (evtchn_upcall_mask = 1).
 *     The hypercall page named by XEN_ELFNOTE_HYPERCALL_PAGE is filled in both types; there is no
 *     start_info: everything is in the device page.
 *  3. entry == 0: the guest starts by Xen's standard entry (XEN_ELFNOTE_ENTRY or
 *     XEN_ELFNOTE_PHYS32_ENTRY); the device page is the page where start_info.store_mfn (PV) or
 *     HVM_PARAM_STORE_PFN (PVH) says the XenStore ring is. Check `magic`: under another toolstack
 * it is a XenStore ring.
 *
 * TRUST. Both pages lie in the guest's memory and the guest may scribble on them. dom0 keeps its
 * own copy of the device page and never reads it back. Of the control page dom0 loads each index
 * and word once and checks it.
 *
 * CHANGES. While the guest runs, and does not wait at its gate, dom0 changes the device page only
 * under `seq`: odd while it writes,
 * then the next even number, and then it sends an event on the control port. Read like a seqlock.
 */

/*
 * WAITING AT A GATE. dom0 may let an image whose note says NOXS_NOTE_GATE run before anything of a
 * VM is known, so that a VM to come needs no more than an event. The device page has NOXS_FLAG_GATE
 * then, `gate` is NOXS_GATE_CLOSED, and of the page only these are there: magic, version, flags,
 * domid, memory, control, start and grants, which stay as they are. The guest
 *  - binds the control channel,
 *  - stores NOXS_WAITS into `waits` of its control page and sends one event, and
 *  - blocks in SCHEDOP_poll on the control channel, without a timeout, until `gate` is
 *    NOXS_GATE_OPEN (its poll may return before). All of the page is there then, and it begins.
 * Until then it reads nothing else of the page, starts no vCPU, touches no device and no word of
 * its control page but `waits`, and uses no CPU. What does otherwise is destroyed. dom0 decides
 * each time: a page without the flag has no gate.
 */

#include <stdint.h>

#define NOXS_ABI_VERSION 1u

/* --- The ELF note ------------------------------------------------------------------------------
 */

#define NOXS_NOTE_NAME "noxs" /* with its NUL: namesz 5 */
#define NOXS_NOTE_TYPE 1u

struct noxs_note {
	uint16_t abi_min; /* lowest and highest ABI version the image understands, inclusive */
	uint16_t abi_max;
	uint32_t flags; /* NOXS_NOTE_* */
	uint64_t entry; /* virtual address of the 64-bit entry, 0 for none */
};

#define NOXS_NOTE_GATE (1u << 1) /* it can wait at a gate, below; only with an entry */

/* --- Event channels ----------------------------------------------------------------------------
 */

/*
 * A channel to dom0. local_port != 0: already bound in the guest, use it. local_port == 0: the
 * guest binds it itself with EVTCHNOP_bind_interdomain(remote_domid, remote_port) before its first
 * use.
 */
struct noxs_evtchn {
	uint32_t local_port;
	uint32_t remote_port;
	uint32_t remote_domid;
	uint32_t reserved;
};

/* --- Devices -----------------------------------------------------------------------------------
 */

enum noxs_device_type {
	NOXS_DEV_NONE = 0, /* an empty slot: skip it */
	NOXS_DEV_VIF = 1,  /* rings: Xen public/io/netif.h; ring[0] = tx, ring[1] = rx */
	NOXS_DEV_VBD = 2,  /* rings: Xen public/io/blkif.h; ring[0] */
};

/* A ring page granted to the backend before the guest runs. */
struct noxs_ring {
	uint64_t gfn; /* guest page frame number of the ring page */
	uint32_t gref;
	uint32_t reserved;
};

/*
 * A vif: the backend is told that this guest takes frames in any number of slots (feature-sg),
 * frames whose checksum is left out (NETRXF_csum_blank) or was checked (NETRXF_data_validated); no
 * segmentation offload towards the guest. A frame that comes while the guest has no buffers in the
 * ring may be dropped after 30 ms. It may send with NETTXF_csum_blank, and scattered frames. A vbd:
 * protocol x86_64, no indirect and no persistent grants. The rings are initialised and empty; the
 * guest uses them with its own indices from zero, and may put requests into them before the backend
 * has connected.
 */
#define NOXS_VIF_IPV4	  (1u << 0) /* ipv4 fields are set */
#define NOXS_VIF_IPV6	  (1u << 1) /* ipv6 fields are set */
#define NOXS_VIF_DHCP	  (1u << 2) /* ask for a lease */
#define NOXS_VIF_UP	  (1u << 3) /* the link is up */
#define NOXS_VBD_READONLY (1u << 0)
#define NOXS_VBD_FLUSH	  (1u << 1)
#define NOXS_VBD_DISCARD  (1u << 2)

struct noxs_vif {
	uint8_t mac[6];
	uint16_t mtu;
	uint8_t ipv4[4]; /* network byte order */
	uint8_t ipv4_gateway[4];
	uint8_t ipv6[16];
	uint8_t ipv6_gateway[16];
	uint8_t ipv4_prefix; /* bits, 0..32 */
	uint8_t ipv6_prefix; /* bits, 0..128 */
	uint8_t reserved[14];
};

struct noxs_vbd {
	uint64_t sectors; /* of 512 bytes */
	uint32_t sector_size;
	uint32_t vdev; /* Xen's virtual device number, 51712 = xvda */
	uint8_t reserved[48];
};

struct noxs_device {
	uint16_t type;	/* enum noxs_device_type */
	uint16_t index; /* 0.. within its type */
	uint32_t flags; /* NOXS_VIF_* or NOXS_VBD_* */
	struct noxs_evtchn evtchn;
	struct noxs_ring ring[2];
	uint64_t reserved;
	union {
		struct noxs_vif vif;
		struct noxs_vbd vbd;
		uint8_t bytes[64];
	} u;
};

/* --- Children ----------------------------------------------------------------------------------
 */

/*
 * FORK. A guest whose configuration allows it (`fork`) may ask for a child: a copy of itself with
 * the same memory and registers, in a domain of its own, without devices. It says so under
 * fork_seq in its control page, sends an event, and waits on its control port, with all vCPUs
 * blocked. Both find the answer in struct noxs_fork of their device pages:
 *  - the parent's `generation` is as before; `seq` is the fork_seq that is answered, and `result`
 *    the number of the child (which is that fork_seq) or an error: -enum noxs_fork_error;
 *  - the child has another `generation`, NOXS_FLAG_RESUMED, and its number in `self`. It goes on as
 *    a guest that lives on elsewhere (below). What it has not read from its page in this life does
 *    not count: no children, and no channel to its parent's other children.
 * A guest that finds another generation and `seq` unlike its fork_seq is a copy of another kind, or
 * was restored: its request was lost, and so are its children.
 *
 * CHANNEL. The pages that the parent named are granted to the child, by references gref, gref + 1,
 * ... of the parent's table; the child maps them (domain evtchn.remote_domid). The event channel is
 * open in the child (evtchn.local_port); the parent binds it (evtchn.remote_port, remote_domid of
 * the child), and looks at the pages afterwards, since the child may have written already. dom0
 * takes the grants back when the child has ended; the parent closes its port.
 *
 * END. child[slot] has what became of the last child of each slot; its end is told by an event on
 * the control port. A slot may be named again when its child has ended. Children end when their
 * parent does.
 */
#define NOXS_CHILDREN_MAX    16u /* at a time, of one parent: slots */
#define NOXS_FORK_PAGES	     2u	 /* shared with each */
#define NOXS_FORK_GRANT	     32u /* reference of page p of slot s: this + s * NOXS_FORK_PAGES + p */
#define NOXS_CHILD_ENDED     (1u << 15)
#define NOXS_CHILD_ABNORMAL  (1u << 14) /* not by SHUTDOWN_poweroff: it has no exit code */
#define NOXS_CHILD_EXIT_CODE 0xffu

enum noxs_fork_error {
	NOXS_FORK_EPERM = 1,   /* its configuration does not allow it, or not so deep */
	NOXS_FORK_EAGAIN = 11, /* too many at a time or too soon, or the slot is in use still */
	NOXS_FORK_ENOMEM = 12,
	NOXS_FORK_EINVAL = 22,	   /* slot or frames make no sense */
	NOXS_FORK_EOPNOTSUPP = 95, /* it cannot be copied as it is (NOXS_CAN_SAVE, _PLAIN) */
};

struct noxs_child {
	uint16_t number; /* its low 16 bits; 0: none yet */
	uint16_t status; /* 0: it lives; else NOXS_CHILD_* and the code */
};

struct noxs_fork {
	uint32_t seq;
	int32_t result;
	uint32_t self;	/* number of this guest; 0: it is no child */
	uint16_t gref;	/* child: references of the shared pages in the parent's table ... */
	uint16_t pages; /* ... and how many */
	struct noxs_evtchn evtchn; /* parent: to the child of `seq`; child: to its parent */
	struct noxs_child child[NOXS_CHILDREN_MAX];
};

/* --- The device page ---------------------------------------------------------------------------
 */

#define NOXS_MAGIC	 0x53584f4eu /* "NOXS" */
#define NOXS_MAX_DEVICES 16u
#define NOXS_CMDLINE_MAX 1024u /* with its NUL */

#define NOXS_START_BYTES 16u
#define NOXS_GRANT_FIRST 64u /* 8 of Xen's own, 24 rings of devices, 32 of channels of children */

#define NOXS_FLAG_PV	  (1u << 0) /* the guest is PV; else PVH */
#define NOXS_FLAG_RESUMED (1u << 1) /* restored or cloned: generation changed */
#define NOXS_FLAG_GATE	  (1u << 2) /* it begins when `gate` is open */
#define NOXS_FLAG_CHILD	  (1u << 4) /* of another guest: fork.self is its number */

enum noxs_gate {
	NOXS_GATE_CLOSED = 0,
	NOXS_GATE_OPEN = 1,
};

struct noxs_page {
	uint32_t magic;	  /* NOXS_MAGIC */
	uint16_t version; /* of this page */
	uint16_t ndev;	  /* device slots in use, <= NOXS_MAX_DEVICES */
	uint32_t seq;	  /* odd while dom0 changes the page */
	uint32_t flags;	  /* NOXS_FLAG_* */

	/* 0x010: identity and size */
	uint8_t uuid[16];
	uint64_t generation; /* changes whenever this state may exist twice: clone, restore */
	uint32_t domid;
	uint32_t vcpus;

	/* 0x030: memory. Guest page frames [0, mem_pages) are RAM. */
	uint64_t mem_pages;
	uint64_t shared_info_gfn; /* PVH: gfn; PV: the page behind memory: VIRT_BASE + gfn * 4096 */
	uint64_t control_gfn;	  /* the control page */
	uint64_t page_table_gfn;  /* first of the builder's page-table pages ... */
	uint64_t page_table_pages; /* ... and how many; they may be reused after a switch of cr3 */
	uint64_t image_end_gfn;	   /* first page behind the image: pages from here to
				      min(device page, control page, page tables, rings of devices)
				      are free; zero where Xen scrubs memory (man 7 noxs) */

	/* 0x060: clock, taken when the guest was started. Later: the vcpu_time_info of shared info.
	 */
	uint64_t wallclock_ns; /* since 1970-01-01 UTC, at the moment of ... */
	uint64_t tsc;	       /* ... this guest TSC value (0: unknown) */
	uint64_t tsc_khz;
	uint64_t reserved0;

	/* 0x080: a fresh random seed; use and overwrite it */
	uint8_t seed[32];

	/* 0x0a0: the one channel for console, power and control */
	struct noxs_evtchn control;

	/* 0x0b0: where vCPU 0 starts when `entry` is used: dom0's jump to it. Not used afterwards.
	 */
	uint8_t start[NOXS_START_BYTES];

	/* 0x0c0: grants. dom0 may have mapped the first `grant_frames` pages of the grant table
	 * (version 1 entries) at grant_gfn: PVH: that gfn; PV: VIRT_BASE + grant_gfn * 4096, like
	 * the shared info page. 0 frames: the guest maps its table itself when it needs it. Grant
	 * references below grant_first are Xen's or dom0's (rings of devices[]); those from there
	 * on are the guest's to use. */
	uint64_t grant_gfn;
	uint32_t grant_frames;
	uint32_t grant_first; /* 0 means NOXS_GRANT_FIRST */

	uint8_t reserved1[0xf0 - 0xd0];

	/* 0x0f0: with NOXS_FLAG_GATE: enum noxs_gate */
	uint32_t gate;
	uint8_t reserved2[0x100 - 0xf4];

	/* 0x100: children and parent; changed under `seq` while the guest runs */
	struct noxs_fork fork;
	uint8_t reserved3[0x2a0];

	/* 0x400 */
	struct noxs_device dev[NOXS_MAX_DEVICES];

	/* 0xc00 */
	char cmdline[NOXS_CMDLINE_MAX]; /* NUL-terminated */
};

/* --- The control page --------------------------------------------------------------------------
 */

enum noxs_request {
	NOXS_REQ_NONE = 0,
	NOXS_REQ_POWEROFF = 1, /* end with SCHEDOP_shutdown(SHUTDOWN_poweroff) */
	NOXS_REQ_REBOOT = 2,   /* end with SCHEDOP_shutdown(SHUTDOWN_reboot) */
	NOXS_REQ_SUSPEND = 3,  /* stop with SCHEDOP_shutdown(SHUTDOWN_suspend), to be saved */
};

/*
 * A GUEST THAT LIVES ON ELSEWHERE. A guest may be stopped and go on as another domain: on this
 * host, on another one, more than once. Its memory and registers are the same then; its domid,
 * uuid, event channels, grants, registrations with Xen (vcpu_info and runstate areas, VIRQs,
 * timers, callback vector) are not, and the device page has another `generation` and
 * NOXS_FLAG_RESUMED. A guest that can do with that sets NOXS_CAN_SAVE in its control page. It then
 *  - compares `generation` with what it knew after every call that blocks (SCHEDOP_poll,
 *    SCHEDOP_block, SCHEDOP_shutdown), and when it differs takes its domid, ports and grants from
 *    the device page again, registers again what it had registered, and uses the new seed;
 *  - keeps no TSC value, and no time computed from one, over a change; Xen's time goes on from
 *    another value, that of the new host;
 *  - as PV maps its own frames, the shared info and the grant table of the device page, and no
 *    others, and leaves entries of its page tables that are not present at zero.
 * A lie hurts the guest alone. What does not say so is not saved.
 */
#define NOXS_CAN_SAVE	 (1u << 0) /* all of the above */
#define NOXS_CAN_SUSPEND (1u << 1) /* obeys NOXS_REQ_SUSPEND */
/* Its vCPUs have no state but the registers of x86-64 with SSE2: no local APIC, no AVX, no MTRRs,
 * no MSRs but those of 64-bit mode; and it runs on any such CPU (as PVH: of the
 * same vendor). A PV guest is only saved with it. */
#define NOXS_CAN_PLAIN (1u << 2)
/* Its drivers take up the devices of the page anew when `generation` has changed: MAC, addresses
 * and size, channels, references, and rings that are empty. Buffers are granted again; requests of
 * a vbd that were not answered are put into its new ring, frames of a vif are lost. A device that
 * is not in the page any more is gone. Before it obeys NOXS_REQ_SUSPEND it waits until its requests
 * to vbds are answered. A guest with devices is only saved with this; one with vbds is always asked
 * to suspend. */
#define NOXS_CAN_DEVICES (1u << 3)
/* PV with one vCPU, in the tables of the builder: its pages may be mapped read-only, with another
 * domain's contents behind them. A write to one of them faults (error code 3); the guest then takes
 * a page of its own from Xen (XENMEM_populate_physmap of that frame number), copies, maps it in
 * place and goes on. Xen's own writes do not fault: it touches what Xen is to write, or what it
 * grants. What cannot be so (the stack of the handler, say) is in own[] of its control page. */
#define NOXS_CAN_SHARE (1u << 4)
/* It goes on as a child, too, and asks for children by fork_seq. */
#define NOXS_CAN_FORK (1u << 5)

enum noxs_state {
	NOXS_STATE_BOOTING = 0,
	NOXS_STATE_READY = 1,	 /* does what it is for; set once, then an event */
	NOXS_STATE_STOPPING = 2, /* about to end; with an event it is noticed sooner */
};

/*
 * Bytes 0..3087 are struct xencons_interface (Xen public/io/console.h): in[1024], out[2048],
 * in_cons, in_prod, out_cons, out_prod. The ring indices run free; guest output is out[], with
 * out_prod written by the guest. Both sides send an event on the control port after moving an index
 * of theirs. An event says "something changed": look at everything.
 */
#define NOXS_CONSOLE_IN_SIZE  1024u
#define NOXS_CONSOLE_OUT_SIZE 2048u

#define NOXS_OWN_MAX 2u
struct noxs_frames {
	uint32_t gfn;
	uint32_t pages; /* 0: none */
};

struct noxs_control {
	uint8_t console_in[NOXS_CONSOLE_IN_SIZE];
	uint8_t console_out[NOXS_CONSOLE_OUT_SIZE];
	uint32_t in_cons;  /* guest */
	uint32_t in_prod;  /* dom0 */
	uint32_t out_cons; /* dom0 */
	uint32_t out_prod; /* guest */
	uint8_t reserved0[0xe00 - 0xc10];

	/* 0xe00: written by dom0 */
	uint32_t request;     /* enum noxs_request ... */
	uint32_t request_seq; /* ... raised by one for each new request */
	uint32_t ping;	      /* the guest copies it to pong, then sends an event */
	uint8_t reserved1[0xe40 - 0xe0c];

	/* 0xe40: written by the guest */
	uint32_t state;	      /* enum noxs_state */
	uint32_t exit_code;   /* 0..255, valid with SHUTDOWN_poweroff; the VM's exit code */
	uint32_t request_ack; /* the last request_seq it has seen */
	uint32_t pong;

	/* 0xe50: how it may be saved */
	uint32_t can; /* NOXS_CAN_* */
	uint32_t reserved3;
	/* Frames [untouched_gfn, untouched_end) were never written by the guest, and never read to
	 * any effect: a copy may have anything in them. untouched_gfn rises before a frame is used;
	 * both 0 (or no range): all may have been. */
	uint64_t untouched_gfn;
	uint64_t untouched_end;
	uint8_t reserved2[0xe70 - 0xe68];

	/* 0xe70: a child is wanted. seq is raised by one for each new request, after the others. */
	uint32_t fork_seq;
	uint32_t fork_slot; /* below NOXS_CHILDREN_MAX */
	/* Pages to share, as in a grant entry: machine frames (PV) or guest frames (PVH); 0: none.
	 */
	uint32_t fork_frame[NOXS_FORK_PAGES];
	uint8_t reserved4[0xe90 - 0xe80];

	/* 0xe90 */
	uint32_t waits; /* NOXS_WAITS: at its gate */
	uint32_t reserved6;

	/* 0xe98: with NOXS_CAN_SHARE: frames that are never shared, beside both noxs pages, page
	 * tables and rings */
	struct noxs_frames own[NOXS_OWN_MAX];
	uint8_t reserved5[0x1000 - 0xea8];
};

#define NOXS_WAITS 1u

#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct noxs_note) == 16, "note");
_Static_assert(sizeof(struct noxs_evtchn) == 16, "evtchn");
_Static_assert(sizeof(struct noxs_vif) == 64, "vif");
_Static_assert(sizeof(struct noxs_vbd) == 64, "vbd");
_Static_assert(sizeof(struct noxs_device) == 128, "device");
_Static_assert(sizeof(struct noxs_page) == 4096, "device page");
_Static_assert(__builtin_offsetof(struct noxs_page, mem_pages) == 0x30, "memory");
_Static_assert(__builtin_offsetof(struct noxs_page, wallclock_ns) == 0x60, "clock");
_Static_assert(__builtin_offsetof(struct noxs_page, seed) == 0x80, "seed");
_Static_assert(__builtin_offsetof(struct noxs_page, control) == 0xa0, "control");
_Static_assert(__builtin_offsetof(struct noxs_page, start) == 0xb0, "start");
_Static_assert(__builtin_offsetof(struct noxs_page, grant_gfn) == 0xc0, "grants");
_Static_assert(__builtin_offsetof(struct noxs_page, fork) == 0x100, "children");
_Static_assert(sizeof(struct noxs_fork) == 0x60, "children");
_Static_assert(__builtin_offsetof(struct noxs_page, gate) == 0xf0, "gate");
_Static_assert(__builtin_offsetof(struct noxs_page, dev) == 0x400, "devices");
_Static_assert(__builtin_offsetof(struct noxs_page, cmdline) == 0xc00, "cmdline");
_Static_assert(sizeof(struct noxs_control) == 4096, "control page");
_Static_assert(__builtin_offsetof(struct noxs_control, in_cons) == 3072, "console indices");
_Static_assert(__builtin_offsetof(struct noxs_control, request) == 0xe00, "dom0 words");
_Static_assert(__builtin_offsetof(struct noxs_control, state) == 0xe40, "guest words");
_Static_assert(__builtin_offsetof(struct noxs_control, untouched_gfn) == 0xe58, "how to save");
_Static_assert(__builtin_offsetof(struct noxs_control, fork_seq) == 0xe70, "a child is wanted");
_Static_assert(__builtin_offsetof(struct noxs_control, waits) == 0xe90, "gate");
#endif

#endif
