/* SPDX-License-Identifier: BSD-3-Clause */
/* The noxs ABI, version 1: all that a guest and dom0 share. Guests and dom0 compile this file. */
#ifndef NOXS_ABI_H
#define NOXS_ABI_H

/*
 * Freestanding: stdint and nothing else. Every multi-byte field is little-endian.
 *
 * VERSIONS. NOXS_ABI_VERSION is the version of the pages below. A later version only gives meaning
 * to bytes that are reserved here. The ELF note has the range of versions that a guest accepts, and
 * dom0 writes the highest version that both support. Reserved bytes and padding are zero; guest and
 * dom0 ignore flags that they do not know.
 *
 * HOW A GUEST GETS ITS PAGES
 *
 *  1. Its ELF image carries a note (section type SHT_NOTE in a PT_NOTE segment) with the name
 * "noxs", the type NOXS_NOTE_TYPE and a struct noxs_note. An image without one gets no device page.
 *  2. entry != 0: each vCPU 0 starts in 64-bit mode at the virtual address `entry`:
 *       %rbx = virtual address of the device page, %rax and %rsp undefined, interrupts off.
 *       PVH: paging is on; the page tables of the builder map all memory of the guest, the shared
 *            info page and the local APIC page 1:1 with 2 MiB pages (so virtual addresses are
 *            guest-physical); cr0 = PG|ET|PE, cr4 = PAE|OSFXSR|OSXMMEXCPT, EFER = SCE|LME|LMA;
 *            the segments are flat, but there is no GDT: load one before any far transfer,
 *            exception or segment load.
 *       PV:  the page tables of the builder map guest page n at VIRT_BASE + n * 4096, for all of
 *            its memory, and the shared info page after it; page-table pages are read-only.
 *            Event upcalls are masked (evtchn_upcall_mask = 1).
 *     The hypercall page named by XEN_ELFNOTE_HYPERCALL_PAGE is filled in both types; there is no
 *     start_info: everything is in the device page.
 *  3. entry == 0: the guest starts at Xen's standard entry (XEN_ELFNOTE_ENTRY or
 *     XEN_ELFNOTE_PHYS32_ENTRY); the device page is the page where start_info.store_mfn (PV) or
 *     HVM_PARAM_STORE_PFN (PVH) says the XenStore ring is. Check `magic`: other toolstacks have a
 *     XenStore ring there.
 *
 * TRUST. Both pages are in the guest's memory, and the guest can write anything there. dom0 keeps
 * its own copy of the device page and never reads the page back. dom0 loads each index and each
 * word of the control page once, and checks it.
 *
 * CHANGES. While the guest runs, and does not wait at its gate, dom0 changes the device page only
 * under `seq`: it is odd while dom0 writes, then the next even number; then dom0 sends an event on
 * the control port. Read the page like a seqlock.
 */

/*
 * WAITING AT A GATE. dom0 may start an image whose note has NOXS_NOTE_GATE before its VM is known,
 * so that creating the VM later only costs an event. Then the device page has NOXS_FLAG_GATE,
 * `gate` is NOXS_GATE_CLOSED, and only these fields are valid: magic, version, flags, domid,
 * vcpus, memory, control, start and grants. They do not change later. The guest
 *  - binds the control channel,
 *  - stores NOXS_WAITS into `waits` of its control page and sends one event, and
 *  - blocks in SCHEDOP_poll on the control channel, without a timeout, until `gate` is
 *    NOXS_GATE_OPEN (the poll may return earlier). Then all of the page is valid.
 * Before that it must not read other fields of the page, start a vCPU, use a device, write other
 * words of its control page than `waits`, or use CPU time. A guest that does is destroyed. dom0
 * decides for each domain: a page without the flag has no gate.
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

/* A vif: dom0 tells the backend that this guest accepts frames in any number of slots
 * (feature-sg), and frames with a blank (NETRXF_csum_blank) or checked (NETRXF_data_validated)
 * checksum, and no segmentation offload. A frame that arrives while the guest has no buffers in
 * the ring may be dropped after 30 ms. The guest may send with NETTXF_csum_blank, and frames in
 * several slots. A vbd: protocol x86_64, no indirect and no persistent grants. The rings are
 * initialised and empty; the guest's indices start at zero, and it may put requests into them
 * before the backend has connected. */
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
 * FORK. A guest whose configuration allows it (`fork`) may request a child: a copy of itself with
 * the same memory and registers, in a new domain, without devices. It writes fork_slot, fork_frame
 * and fork_seq in its control page, sends an event, and waits on its control port with all vCPUs
 * blocked. Parent and child find the answer in struct noxs_fork of their device pages:
 *  - The parent's `generation` does not change; `seq` is the fork_seq that is answered, and
 * `result` the number of the child (which is that fork_seq) or an error: -enum noxs_fork_error.
 *  - The child has another `generation`, NOXS_FLAG_RESUMED, and its number in `self`. It continues
 *    as described under SAVE, RESTORE AND COPIES. It has no children, and no channel to the other
 *    children of its parent.
 * If a guest finds another generation and a `seq` that is not its fork_seq, it was restored or is a
 * copy of another kind: its request is not answered, and it has no children.
 *
 * CHANNEL. The pages that the parent named are granted to the child by the references gref, gref +
 * 1, ... of the parent's table; the child maps them (domain evtchn.remote_domid). The event channel
 * is bound in the child (evtchn.local_port); the parent binds its end (evtchn.remote_port,
 * remote_domid of the child), and reads the pages afterwards, because the child may have written
 * before. dom0 takes the grants back when the child has ended; the parent closes its port.
 *
 * END. child[slot] has the status of the last child of each slot; after each change the parent gets
 * an event on the control port. A slot may be used again when its child has ended. When the parent
 * ends, its children are destroyed.
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
	NOXS_FORK_EINVAL = 22,	   /* slot or frames are not valid */
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
 * SAVE, RESTORE AND COPIES. A guest may be stopped and continued as another domain, on this host or
 * on another one, also several times. Its memory and registers are the same then. Its domid, uuid,
 * event channels, grants and registrations with Xen (vcpu_info and runstate areas, VIRQs, timers,
 * callback vector) are not; the device page has another `generation` and NOXS_FLAG_RESUMED. A guest
 * that supports this sets NOXS_CAN_SAVE in its control page. It must
 *  - compare `generation` with the value that it knows after every call that blocks (SCHEDOP_poll,
 *    SCHEDOP_block, SCHEDOP_shutdown), and, if it differs, take domid, ports and grants from the
 *    device page, register again, and use the new seed;
 *  - not compare TSC values, or times computed from them, from before and after the change; Xen's
 *    system time continues from another value, that of the new host;
 *  - as PV, map only its own frames, the shared info page, and the grant table of the device page,
 *    and leave page table entries that are not present at zero.
 * A guest that sets the flag without this harms only itself. A guest without the flag is not saved.
 */
#define NOXS_CAN_SAVE	 (1u << 0) /* all of the above */
#define NOXS_CAN_SUSPEND (1u << 1) /* obeys NOXS_REQ_SUSPEND */
/* The vCPUs have no state except the registers of x86-64 with SSE2: no local APIC, AVX or MTRRs,
 * and only the MSRs of 64-bit mode; and the guest runs on any such CPU (as PVH: of the same
 * vendor). A PV guest is only saved with this flag. */
#define NOXS_CAN_PLAIN (1u << 2)
/* When `generation` has changed, the drivers use the devices of the new page, with their MAC,
 * addresses, size, channels and references, and empty rings. Buffers are granted again; requests
 * of a vbd that were not answered are put into the new ring, frames of a vif are lost. A device
 * that is not in the page does not exist any more. Before the guest obeys NOXS_REQ_SUSPEND it
 * waits until its requests to vbds are answered. A guest with devices is only saved with this
 * flag; one with vbds only by NOXS_REQ_SUSPEND. */
#define NOXS_CAN_DEVICES (1u << 3)
/* PV with one vCPU, with the page tables of the builder: its pages may be pages of another
 * domain with the same contents, mapped read-only. A write to one of them faults (error code 3).
 * The guest then gets its own page from Xen (XENMEM_populate_physmap of that frame number),
 * copies the contents, maps it in place of the shared one, and continues. Xen's own writes do
 * not fault: before a hypercall that writes to a page, and before it grants a page, the guest
 * must write to it itself. Pages for which that is not possible (for example the stack of the
 * fault handler) must be named in own[] of the control page. */
#define NOXS_CAN_SHARE (1u << 4)
/* The guest can continue as a child, and requests children by fork_seq. */
#define NOXS_CAN_FORK (1u << 5)

enum noxs_state {
	NOXS_STATE_BOOTING = 0,
	NOXS_STATE_READY = 1,	 /* works; set once, then an event is sent */
	NOXS_STATE_STOPPING = 2, /* about to end; an event makes chaosd notice the end sooner */
};

/* Bytes 0..3087 are struct xencons_interface (Xen public/io/console.h): in[1024], out[2048],
 * in_cons, in_prod, out_cons, out_prod. The ring indices are not reduced modulo the size; guest
 * output is out[], and the guest writes out_prod. Each side sends an event on the control port
 * after it has changed an index. An event has no meaning of its own: check all rings and words. */
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
	/* The guest has never written the frames [untouched_gfn, untouched_end), and its
	 * behaviour does not depend on their contents: in a copy they may contain anything. The
	 * guest raises untouched_gfn before it uses a frame. Both 0 (or an empty range): all
	 * frames may have been used. */
	uint64_t untouched_gfn;
	uint64_t untouched_end;
	uint8_t reserved2[0xe70 - 0xe68];

	/* 0xe70: request for a child. seq is raised by one for each new request, after the others.
	 */
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
