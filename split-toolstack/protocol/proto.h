/* SPDX-License-Identifier: BSD-3-Clause */
/* The protocol between chaosd and its clients: one packet of a SOCK_SEQPACKET socket is one frame.
 */
#ifndef CHAOS_PROTO_H
#define CHAOS_PROTO_H

#include <stdint.h>

/*
 * History: 1 is the first version.
 *
 * A frame is a header and fields. Client and daemon run on one host: numbers are in its byte order.
 * Requests carry a tag of the client's choice; every frame of the answer carries the same one. An
 * answer is any number of PROTO_ITEM, then one PROTO_OK or PROTO_ERROR. Requests of one connection
 * are answered in their order, but for long ones (create, attach, detach, wait, console), which
 * others may overtake. Unknown fields are refused; files travel as SCM_RIGHTS with the frame that
 * names them.
 */
#define PROTO_MAGIC	0x534f4148u /* "HAOS" */
#define PROTO_VERSION	1u
#define PROTO_FRAME_MAX 65536u
#define PROTO_FDS_MAX	4u
#define PROTO_SOCKET	"/run/chaos/chaosd.sock"

struct proto_header {
	uint32_t magic;
	uint16_t version;
	uint16_t op; /* enum proto_op */
	uint32_t tag;
	uint32_t bytes; /* of the whole frame, header included */
};

struct proto_field {
	uint16_t id; /* enum proto_id */
	uint16_t reserved;
	uint32_t bytes; /* of the data that follows, unpadded */
};

/*
 * All requests, in the order of their numbers: a new one comes last. Its name here and, behind
 * CHAOS_, in libchaos; the function of chaosd behind op_; its name in metrics; what its fields
 * are, and those of the answer.
 */
/* clang-format off */
#define PROTO_REQUESTS(REQUEST) \
	REQUEST(VERSION_INFO, version, "version")           /* -> VERSION, XEN, STORE */ \
	REQUEST(CREATE, create, "create")                   /* CONFIG or SET.., FLAGS -> WARNING, TIME items; a VM */ \
	REQUEST(LIST, list, "list")                         /* FLAGS -> VM items */ \
	REQUEST(INFO, info, "info")                         /* WHAT, FLAGS -> a VM, and its DEVICEs; while it is written to a file, as SAVE */ \
	REQUEST(PAUSE, pause, "pause")                      /* WHAT -> NAME */ \
	REQUEST(UNPAUSE, unpause, "unpause")                /* WHAT -> NAME */ \
	REQUEST(RENAME, rename, "rename")                   /* WHAT, NAME -> NAME */ \
	REQUEST(SHUTDOWN, shutdown, "shutdown")             /* WHAT -> NAME */ \
	REQUEST(REBOOT, reboot, "reboot")                   /* WHAT -> NAME */ \
	REQUEST(DESTROY, destroy, "destroy")                /* WHAT -> NAME */ \
	REQUEST(RM, rm, "rm")                               /* WHAT, FLAGS -> NAME */ \
	REQUEST(WAIT, wait, "wait")                         /* WHAT, FLAGS -> a VM that has ended, or is ready */ \
	REQUEST(CONSOLE, console, "console")                /* WHAT, FLAGS -> DATA items; at its end a VM */ \
	REQUEST(POOL, pool, "pool")                         /* -> a FLAVOR in each item */ \
	REQUEST(POOL_SET, pool_set, "pool set")             /* TEXT "type=pv memory=4 count=8" */ \
	REQUEST(EVENTS, events, "events")                   /* [SINCE] -> items without an end: see EVENT */ \
	REQUEST(INPUT, input, "input")                      /* DATA, with the tag of a CONSOLE; no answer */ \
	REQUEST(HOST, host, "host")                         /* -> VERSION, XEN, STORE, CPUS, MEM_KIB, ... */ \
	REQUEST(METRICS, metrics, "metrics")                /* -> DATA items: Prometheus' text form */ \
	REQUEST(IMAGES, images, "images")                   /* -> an IMAGE in each item */ \
	REQUEST(IMAGE_IMPORT, image_import, "image import") /* NAME, KERNEL_FD -> IMAGE */ \
	REQUEST(IMAGE_RM, image_rm, "image rm")             /* NAME -> NAME */ \
	REQUEST(ATTACH, attach, "attach")                   /* WHAT, SET, CWD -> WARNING items; a DEVICE */ \
	REQUEST(DETACH, detach, "detach")                   /* WHAT, KIND, ID, FLAGS -> a DEVICE */ \
	REQUEST(DEVICES, devices, "devices")                /* WHAT, [KIND] -> a DEVICE in each item */ \
	REQUEST(SAVE, save, "save")                         /* WHAT, FILE_FD, FLAGS -> when it is written an item with BYTES, \
	                                                       PAGES, PRESENT, STOPPED_NS, TOTAL_NS; the VM is stopped \
	                                                       until SAVED, or continues when the connection ends. \
	                                                       With KEEP it continues then: OK with NAME and the same */ \
	REQUEST(SAVED, saved, "saved")                      /* with the tag of a SAVE whose file is safe now -> NAME: the VM \
	                                                       has ended */ \
	REQUEST(RESTORE, restore, "restore")                /* FILE_FD, [NAME], FLAGS -> a VM, and as SAVE but for STOPPED_NS */ \
	REQUEST(MOVE, move, "move")                         /* with the tag of a SAVE that is written: from now on the VM may \
	                                                       run on another host, and is stopped until MOVED, UNPAUSE or \
	                                                       DESTROY, whatever ends -> NAME */ \
	REQUEST(MOVED, moved, "moved")                      /* WHAT, FLAGS: one of MOVE runs elsewhere -> NAME: it has ended \
	                                                       here. KEEP: it certainly does not, and continues here */ \
	REQUEST(ADMIT, admit, "admit")                      /* NAME, [WHAT: its uuid], TYPE, MEM_KIB, VCPUS, [NEEDS] -> NAME: there is \
	                                                       room for such a VM now */ \
	REQUEST(RECEIVE, receive, "receive")                /* as RESTORE; the VM does not run until RECEIVED, and is removed with \
	                                                       the connection */ \
	REQUEST(RECEIVED, received, "received")             /* with the tag of a RECEIVE that was answered: it runs -> a VM */ \
	REQUEST(SNAPSHOT, snapshot, "snapshot")             /* WHAT, [NAME] -> a SNAPSHOT, and as SAVE */ \
	REQUEST(SNAPSHOTS, snapshots, "snapshots")          /* -> a SNAPSHOT in each item */ \
	REQUEST(SNAPSHOT_RM, snapshot_rm, "snapshot rm")    /* NAME -> NAME */ \
	REQUEST(CREATE_FROM, create_from, "create from")    /* WHAT (a snapshot), [NAME], FLAGS -> as RESTORE; DEVICEs when booted */ \
	REQUEST(BRANCH, branch, "branch")                   /* WHAT, [NAME], [COUNT], [SET] (vif), FLAGS -> a VM and WAY in each item; \
	                                                       NAME, PAGES, PRESENT, STOPPED_NS, TOTAL_NS */ \
	REQUEST(SNAPSHOT_PACK, snapshot_pack, "snapshot pack") /* NAME, FILE_FD -> NAME, BYTES: its stream was written */ \
	REQUEST(SNAPSHOT_UNPACK, snapshot_unpack, "snapshot unpack") /* NAME, FILE_FD -> a SNAPSHOT */ \
	REQUEST(SLEEP, sleep, "sleep")                      /* WHAT -> NAME, and as SAVE */ \
	REQUEST(WAKE, wake, "wake")                         /* WHAT, FLAGS -> as RESTORE, with WAY and WHY */ \
	REQUEST(ROLLBACK, rollback, "rollback")             /* WHAT, [NAME] (a snapshot), FLAGS -> as the end of BRANCH */ \
	REQUEST(ROUND, round, "round")                      /* with the tag of a SAVE with LIVE, whose round has arrived; no answer \
	                                                       of its own */ \
	REQUEST(SET, set, "set")                            /* WHAT, SET.. ("memory=64", "cpu_weight=512", "cap=50") -> NAME */
/* clang-format on */

enum proto_op {
	PROTO_OK = 1,
	PROTO_ERROR = 2, /* CODE, TEXT */
	PROTO_ITEM = 3,

	PROTO_REQ_FIRST = 16,
	PROTO_REQ_BEFORE = PROTO_REQ_FIRST - 1,
#define PROTO_NUMBER(name, fn, text) PROTO_REQ_##name,
	PROTO_REQUESTS(PROTO_NUMBER) PROTO_OP_END,
#undef PROTO_NUMBER
};
#define PROTO_REQUESTS_N (PROTO_OP_END - PROTO_REQ_FIRST)

enum proto_id {
	PROTO_CODE = 1, /* u32, errno */
	PROTO_TEXT,	/* text of an error */
	PROTO_WARNING,	/* text */
	PROTO_FLAGS,	/* u32, PROTO_F_* */
	PROTO_WHAT,	/* text: name, domid or uuid */
	PROTO_NAME,
	PROTO_CWD,	   /* directory for relative paths */
	PROTO_CONFIG,	   /* text of an xl.cfg file */
	PROTO_CONFIG_NAME, /* its name, for messages */
	PROTO_OVERRIDE,	   /* "key=value" in the syntax of the file; repeated */
	PROTO_SET,	   /* "key=text", the text is taken literally; repeated */
	PROTO_IGNORE,	   /* a key to ignore; repeated */
	PROTO_KERNEL_FD,   /* u32: index of the passed file that is the kernel */
	PROTO_RAMDISK_FD,
	PROTO_VERSION_TEXT,
	PROTO_XEN,
	PROTO_STORE,
	PROTO_DATA,    /* console bytes */
	PROTO_LOST,    /* u64: console bytes that were lost before they were sent */
	PROTO_TIME,    /* text "phase=ns" */
	PROTO_VM = 64, /* nested fields of a VM */
	PROTO_UUID,    /* 16 bytes */
	PROTO_DOMID,   /* u32 */
	PROTO_STATE,   /* text; this and the following as in `chaos info` */
	PROTO_REASON,
	PROTO_EXIT_CODE, /* u32, missing if it is not known */
	PROTO_READY,	 /* u32 0/1 */
	PROTO_NOXS,
	PROTO_TYPE,
	PROTO_MEM_KIB, /* u64 */
	PROTO_MAXMEM_KIB,
	PROTO_VCPUS, /* u32 */
	PROTO_KERNEL,
	PROTO_RAMDISK,
	PROTO_CMDLINE,
	PROTO_ON_POWEROFF,
	PROTO_ON_REBOOT,
	PROTO_ON_CRASH,
	PROTO_CREATED, /* u64 ns since 1970 */
	PROTO_STARTED,
	PROTO_ENDED,
	PROTO_RESTARTS, /* u32 */
	PROTO_CPU_NS,
	PROTO_CONSOLE_BYTES,
	PROTO_WAY,    /* text: warm, shell or cold */
	PROTO_WHY,    /* text: what prevented a faster way */
	PROTO_FLAVOR, /* nested: TYPE, VCPUS, MEM_KIB, KERNEL (warm), LINUX (without KERNEL: for
			 it),   TARGET, READY, HITS */
	PROTO_TARGET, /* u32 */
	PROTO_HITS,   /* u64 */
	PROTO_EVENT,  /* text: created, started, ready, ...; with EVENT_ID, WHEN and a VM or FLAVOR;
			 or LOST  alone */
	PROTO_WHEN,   /* u64 ns since 1970 */
	PROTO_EVENT_ID, /* u64: rises by one with each event */
	PROTO_SINCE,	/* u64: only events after this one */
	PROTO_CPUS,	/* u32 */
	PROTO_FREE_KIB, /* u64 */
	PROTO_POOL_KIB, /* u64 */
	PROTO_VMS,	/* u32: number of VMs that have not ended */
	PROTO_PVH,	/* u32 0/1: this host supports PVH */
	PROTO_LOW,	/* u32: smallest and largest number of a flavor's shells */
	PROTO_HIGH,
	PROTO_MISSES, /* u64 */
	PROTO_IMAGE,  /* nested: NAME, DIGEST, TYPE, TEXT (guest's OS), NOXS, LINUX, BYTES, MEM_KIB,
			 WHEN  (last used) */
	PROTO_DIGEST, /* text: SHA-256 */
	PROTO_LINUX,  /* u32 0/1 */
	PROTO_BYTES,  /* u64 */
	PROTO_SLOTS,  /* u32: free domain ids with an event channel */
	PROTO_DEVICE, /* nested: KIND, ID, STATE, REASON, BACKEND; a vif's MAC, BRIDGE, IFNAME, MTU,
			 IP, RATE_BYTES, RATE_US; a vbd's DEVID, PATH, READONLY, CDROM, SECTORS */
	PROTO_KIND,   /* text: vif or vbd */
	PROTO_ID,     /* text: a vif's number (also MAC or IFNAME), a vbd's name or number */
	PROTO_DEVID,  /* u32: Xen's number of a device */
	PROTO_BACKEND, /* text: kernel or user */
	PROTO_MAC,     /* text */
	PROTO_BRIDGE,
	PROTO_IFNAME,	  /* in dom0 */
	PROTO_MTU,	  /* u32 */
	PROTO_IP,	  /* text, as it was given */
	PROTO_RATE_BYTES, /* u64, in each ... */
	PROTO_RATE_US,	  /* u32 */
	PROTO_PATH,
	PROTO_READONLY, /* u32 0/1 */
	PROTO_CDROM,
	PROTO_SECTORS, /* u64, of 512 bytes */
	PROTO_VIFS,    /* u32: of a flavor's shells, which also has BRIDGE and BACKEND */
	PROTO_VBDS,
	PROTO_PINNED, /* text: CPUs that a VM's vCPUs run on; separated by semicolons for each vCPU
		       */
	PROTO_MAXVCPUS,	  /* u32, when it differs from VCPUS */
	PROTO_TAIL,	  /* text: settings of the host made by tail_guard */
	PROTO_ROOM,	  /* text: fine, tight, none: space for the store's journal */
	PROTO_ONLINE,	  /* u32, if it differs from VCPUS: the vCPUs that are switched on */
	PROTO_FILE_FD,	  /* u32: index of the passed file to save to or restore from */
	PROTO_PAGES,	  /* u64: pages of 4 KiB of a saved guest */
	PROTO_PRESENT,	  /* u64: of these pages, those in its file */
	PROTO_STOPPED_NS, /* u64: how long it was stopped */
	PROTO_TOTAL_NS,	  /* u64 */
	PROTO_SNAPSHOT,	  /* nested: NAME, DIGEST, PARENT, PARENT_NAME, WHAT (its VM's name), TYPE,
			     VCPUS, MEM_KIB, PAGES, PRESENT, BYTES, CREATED */
	PROTO_PARENT,	  /* text: digest of a snapshot; of a VM the one it is a copy of, by name or
			     uuid */
	PROTO_PARENT_NAME, /* text, when it is there; of a VM its snapshot, or that's digest */
	PROTO_COUNT,	   /* u32: number of copies */
	PROTO_FROM,	   /* text: the snapshot that a flavor's shells are copies of */
	PROTO_NEEDS, /* u32s: what of its CPU a VM may use: the vendor, and words of features */
	PROTO_ROUND, /* u32, of a VM that moves while it runs, from 1 on: an item of a SAVE with
			LIVE, with PRESENT (pages of the round) and BYTES, before the one with
			STOPPED_NS; the next round begins with a ROUND. An item of a RECEIVE with
			LIVE: it has arrived */
	PROTO_READY_WHEN, /* text, of a flavor: as its words ready=, and MAC and IP as mac= and ip=
			   */
	PROTO_DISKS,	  /* text, likewise: disk= */
	PROTO_NETNS,	  /* text: of a vif in a network namespace, its path ... */
	PROTO_PEER,	  /* ... and the interface there */
	PROTO_ID_END,
};

#define PROTO_F_PAUSED	(1u << 0) /* create, restore, branch: leave it paused */
#define PROTO_F_READY	(1u << 1) /* create, branch, wait: wait until the guest is ready */
#define PROTO_F_TIMINGS (1u << 2) /* create: with times */
#define PROTO_F_ALL	(1u << 3) /* list: include those that have ended */
#define PROTO_F_FOREIGN (1u << 4) /* list: include domains of other toolstacks */
#define PROTO_F_FOLLOW	(1u << 5) /* console: continue until the VM has ended */
#define PROTO_F_INPUT	(1u << 6) /* console: input will be sent, too */
#define PROTO_F_LOG                                                                                \
	(1u << 7) /* console: start with the first byte that is kept, not with new output */
#define PROTO_F_FORCE (1u << 8)	 /* rm: destroy it first; detach: do not wait for the guest */
#define PROTO_F_SAME  (1u << 9)	 /* create: if a VM with this uuid exists, answer with it */
#define PROTO_F_XL    (1u << 10) /* create: ignore unknown keys, as xl does */
#define PROTO_F_NO_WAIT_DEVICES                                                                    \
	(1u << 11)		 /* create: run without devices whose backends are missing */
#define PROTO_F_KEEP  (1u << 12) /* save: the VM continues; moved: it continues here */
#define PROTO_F_LIVE  (1u << 13) /* save, receive: the VM runs while it is copied */
#define PROTO_F_NEEDS (1u << 15) /* info: include NEEDS */
#define PROTO_F_AGENT (1u << 16) /* console: its agent's channel, from now on; one at a time */
#define PROTO_F_PATHS                                                                              \
	(1u << 14) /* receive: kernel, ramdisk and on_* that the source names count                \
		    */
/* restore: disks that the file names, or none of them */
#define PROTO_F_DISKS_KEEP     (1u << 24)
#define PROTO_F_DISKS_READONLY (1u << 25)
#define PROTO_F_DISKS_NONE     (1u << 26)
#define PROTO_F_DISKS_COPY     (1u << 27)

#endif
