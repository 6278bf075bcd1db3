/* SPDX-License-Identifier: BSD-3-Clause */
/* libchaos: chaosd's operations for C programs. See libchaos(3). */
#ifndef CHAOS_CHAOS_H
#define CHAOS_CHAOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A connection can have any number of open requests: chaos_send() gives each a tag, and
 * chaos_receive() returns replies as they arrive. An answer has any number of replies with
 * `last` unset (warnings, list items, events, console output) and one with it set. chaos_call()
 * does both for one request.
 *
 * A connection is for one thread. Functions return 0 or a negative errno, with one line of text
 * in *e (which may be NULL). Nothing is printed, no signal is raised or handled, and there is no
 * global state.
 */
struct chaos;

struct chaos_error {
	int code; /* an errno, 0: no error */
	char message[512];
};

/* Connects to `socket`; if it is NULL to $CHAOS_SOCKET, or /run/chaos/chaosd.sock. */
int chaos_open(struct chaos **out, const char *socket, struct chaos_error *e);
void chaos_close(struct chaos *c); /* NULL is allowed */
/* Poll it for reading; then call chaos_receive() with a timeout of 0 until -EAGAIN. While
 * chaos_flush() returns 1, also poll it for writing. */
int chaos_fd(const struct chaos *c);

/* --- requests --- */

enum chaos_op {
	CHAOS_VERSION_INFO, /* host without numbers */
	CHAOS_CREATE,	    /* config or set, flags, files -> vm, way, why */
	CHAOS_LIST,	    /* flags -> a reply with a vm for each */
	CHAOS_INFO,	    /* vm -> vm and its devices */
	CHAOS_PAUSE,
	CHAOS_UNPAUSE,
	CHAOS_RENAME, /* vm, name */
	CHAOS_SHUTDOWN,
	CHAOS_REBOOT,
	CHAOS_DESTROY,
	CHAOS_RM,
	CHAOS_WAIT,	    /* vm, flags -> vm, when it has ended or is ready */
	CHAOS_CONSOLE,	    /* vm, flags -> replies with data; at the end the vm */
	CHAOS_INPUT,	    /* data, tag of a console request with CHAOS_INPUT_TOO; no answer */
	CHAOS_POOL,	    /* -> a reply with a flavor for each */
	CHAOS_POOL_SET,	    /* text */
	CHAOS_EVENTS,	    /* since -> replies with an event each; they do not end */
	CHAOS_HOST,	    /* -> host */
	CHAOS_METRICS,	    /* -> replies with data: the text format of Prometheus */
	CHAOS_IMAGES,	    /* -> a reply with an image for each */
	CHAOS_IMAGE_IMPORT, /* name, kernel_fd -> image */
	CHAOS_IMAGE_RM,	    /* name */
	CHAOS_ATTACH,	    /* vm, set of one "vif=..." or "disk=...", cwd -> a device */
	CHAOS_DETACH,	    /* vm, kind, device, flags -> a device */
	CHAOS_DEVICES,	    /* vm, kind (or NULL) -> a reply with a device for each */
	CHAOS_SAVE,    /* vm, flags, file_fd -> saved, when it is written; the VM is stopped until
			  CHAOS_SAVED, and continues if the connection ends before. With CHAOS_KEEP
			  that is the last reply, and the VM continues */
	CHAOS_SAVED,   /* tag of a save whose file is safe: the VM ends. Has no own reply */
	CHAOS_RESTORE, /* file_fd, name (or NULL), flags -> vm, saved */
	CHAOS_MOVE,    /* tag of a save that is written: another host may run the VM from now on. It
			  stays stopped until CHAOS_MOVED, an unpause or a destroy, even if the
			  connection or chaosd ends */
	CHAOS_MOVED,   /* vm, flags: the other host runs it, and it ends here; with CHAOS_KEEP: the
			  other host does not run it, and it continues here */
	CHAOS_ADMIT,   /* vm (its uuid, or NULL), name, type, mem_kib, vcpus: asks whether there is
			  room for such a VM */
	CHAOS_RECEIVE, /* as CHAOS_RESTORE; the VM does not run yet, and is removed if the
			  connection ends */
	CHAOS_RECEIVED,	   /* tag of an answered receive -> vm, which runs now */
	CHAOS_SNAPSHOT,	   /* vm, name (or NULL) -> snapshot, saved; the VM continues */
	CHAOS_SNAPSHOTS,   /* -> a reply with a snapshot for each */
	CHAOS_SNAPSHOT_RM, /* name */
	CHAOS_CREATE_FROM, /* vm: name of a snapshot; name (or NULL), flags -> vm, way, why, saved
			    */
	CHAOS_BRANCH, /* vm, name (or NULL), count, set of "vif=", flags -> a reply with a vm for
			 each; saved, without bytes */
	CHAOS_SNAPSHOT_PACK,   /* name, file_fd: writes the snapshot's file there */
	CHAOS_SNAPSHOT_UNPACK, /* name, file_fd -> snapshot */
	CHAOS_SLEEP,	       /* vm -> name, saved */
	CHAOS_WAKE,	       /* vm, flags -> vm, way, why, saved */
	CHAOS_ROLLBACK,	       /* vm, name of a snapshot (or NULL), flags -> saved, without bytes
				*/
	CHAOS_ROUND, /* tag of a save with CHAOS_LIVE whose last round has arrived. Has no reply */
	CHAOS_SET,   /* vm, set of "memory=", "cpu_weight=" or "cap=": changes a VM that runs */
};

#define CHAOS_PAUSED	(1u << 0) /* create, restore, branch, wake: leave it paused */
#define CHAOS_READY	(1u << 1) /* create, branch, restore, wait: wait until the guest is ready */
#define CHAOS_ALL	(1u << 3) /* list: include those that have ended */
#define CHAOS_FOREIGN	(1u << 4) /* list: include domains of other toolstacks */
#define CHAOS_FOLLOW	(1u << 5) /* console: continue until the VM has ended */
#define CHAOS_INPUT_TOO (1u << 6) /* console: input will be sent, too */
#define CHAOS_LOG                                                                                  \
	(1u << 7) /* console: start with the first byte that is kept, not with new output */
#define CHAOS_FORCE (1u << 8)  /* rm: destroy it first; detach: do not wait for the guest */
#define CHAOS_SAME  (1u << 9)  /* create: if a VM with this uuid exists, answer with it */
#define CHAOS_XL    (1u << 10) /* create: ignore unknown keys with a warning, as xl does */

#define CHAOS_NO_WAIT_DEVICES                                                                      \
	(1u << 11) /* create: run without devices whose backends are missing */

#define CHAOS_KEEP (1u << 12) /* save: the VM continues; moved: it continues here */
/* save, receive: a PVH VM runs while it is copied. Both sides get a reply for each round, with
 * its number in `round`; the save then waits for CHAOS_ROUND. */
#define CHAOS_LIVE (1u << 13)
/* receive: use kernel, ramdisk and on_* that the source names, although this host does not know
 * them */
#define CHAOS_PATHS (1u << 14)
/* restore, branch, wake and rollback (only KEEP): which disks it gets; if none of these is given,
 * see chaos(1) */
#define CHAOS_DISKS_KEEP     (1u << 24)
#define CHAOS_DISKS_READONLY (1u << 25)
#define CHAOS_DISKS_NONE     (1u << 26)
#define CHAOS_DISKS_COPY     (1u << 27)

/* console: the channel of the guest's agent (agent=1), from now on, in both directions, for one
 * client at a time. A reply with `lost` set means that the guest has connected again: bytes in
 * transit are lost. Bytes that the client does not receive stay in the guest. */
#define CHAOS_AGENT (1u << 16)

#define CHAOS_NOW UINT64_MAX /* since: no past events */

/* chaos_request_init() clears all members. The memory belongs to the caller. */
struct chaos_request {
	enum chaos_op op;
	const char *vm; /* name, domain id or uuid */
	uint32_t flags; /* CHAOS_* */
	const char *name;
	/* create: the text of an xl.cfg file, or only keys; lists end with NULL */
	const char *config, *config_name; /* the name is for messages */
	const char *cwd;		  /* directory for relative paths */
	const char *const *set;		  /* "key=text", the text is taken literally */
	const char *const *override;	  /* "key=value" in the syntax of the file */
	const char *const *ignore;	  /* keys to ignore */
	int kernel_fd, ramdisk_fd;	  /* -1: the daemon opens them */
	const char *text;		  /* "type=pv memory=4 count=8" */
	const char *kind;		  /* of devices: "vif" or "vbd" */
	const char *device;		  /* "0", a MAC or a name in dom0; "xvda" */
	uint64_t since;			  /* number of the last event that was seen */
	const void *data;
	size_t len;
	uint32_t tag;	  /* of the console for an input, or of a save or receive */
	int file_fd;	  /* file, pipe or socket to save to or restore from; -1 */
	const char *type; /* admit: "pv" or "pvh" */
	uint64_t mem_kib; /* admit */
	uint32_t vcpus;	  /* admit */
	uint32_t count;	  /* number of copies; 0: one */
};

void chaos_request_init(struct chaos_request *rq, enum chaos_op op);

/* --- replies --- */

struct chaos_vm {
	char name[160], uuid[37], state[16], type[8];
	char reason[160]; /* of the last end; for an unknown VM, why it is unknown */
	char on_poweroff[16], on_reboot[16], on_crash[16];
	uint32_t domid, vcpus, restarts;
	uint32_t maxvcpus; /* 0: the same as vcpus */
	uint32_t online;   /* vCPUs that are switched on; 0: the same as vcpus */
	int exit_code;	   /* -1: unknown */
	bool ready, noxs;
	uint64_t mem_kib, maxmem_kib, created_ns, started_ns, ended_ns, cpu_ns, console_bytes;
	char cmdline[1024], kernel[4096], ramdisk[4096];
	char cpus[2048];    /* CPUs that it runs on: "0-3"; "0;1-2": for each vCPU; "": all */
	char snapshot[136]; /* the last snapshot made of it or that it was made from: name, or
			       digest if it is not on this host */
	char copy_of[160];  /* the VM that it is a branch or child of: name, or uuid if that is not
			       listed any more */
};

struct chaos_flavor {
	char type[8], image[4096], ramdisk[4096]; /* image "": any image ... */
	bool for_linux;				  /* ... of Linux, or with a noxs entry */
	char bridge[16], backend[8];		  /* of the vifs */
	uint32_t vifs, vbds;			  /* of each shell */
	uint32_t vcpus, low, high, target, ready;
	uint64_t mem_kib, hits, misses, held_kib;
	char from[256]; /* the snapshot that its shells are copies of; "": none */
	/* with a snapshot: its words ready, mac, ip and disk; "": none */
	char ready_when[96], macs[48], ips[48], disks[16];
};

struct chaos_host {
	char chaos[32], xen[64], store[16];
	uint32_t cpus, vms, slots;
	bool pvh;
	uint64_t mem_kib, free_kib, pool_kib;
	char tail_guard[256]; /* settings of the host; "off" */
	char store_room[8];   /* space for the store's journal in the run directory: "fine", "tight"
				 (guests cannot add nodes), "none" (requests are not answered) */
};

struct chaos_image {
	char name[256], digest[65], types[16], guest_os[32];
	bool noxs, linux_kernel;
	uint64_t bytes, min_kib, used_ns;
};

struct chaos_device {
	char kind[4];		     /* "vif" or "vbd" */
	char id[16];		     /* "0"; "xvda" */
	char state[16], reason[160]; /* reason: why it is broken */
	char backend[8];	     /* "kernel" or "user" */
	uint32_t devid;		     /* Xen's number */
	/* vif */
	char mac[18], bridge[16], ifname[16], ip[128];
	char netns[128], peer[16]; /* path of its network namespace and interface there; "": none */
	uint32_t mtu, rate_us;
	uint64_t rate_bytes; /* per rate_us; 0: no limit */
	/* vbd */
	char path[4096];
	bool readonly, cdrom;
	uint64_t sectors; /* of 512 bytes */
};

/* Numbers of a saved VM. */
struct chaos_saved {
	uint64_t bytes;
	uint64_t pages, pages_in_file; /* of the guest, of 4 KiB */
	uint64_t stopped_ns;	       /* save: how long it was stopped */
	uint64_t total_ns;	       /* since the request */
};

struct chaos_snapshot {
	char name[136], digest[65], vm[136], type[8];
	char parent[65], parent_name[136]; /* digest; "": none, or not on this host */
	uint32_t vcpus;
	uint64_t mem_kib, bytes, created_ns;
	uint64_t pages, pages_in_file; /* of the guest, of 4 KiB */
};

struct chaos_reply {
	uint32_t tag;
	bool last;
	int error; /* errno of a failed request, with `message`; then `last` is set */
	char message[512];
	bool has_vm, has_flavor, has_host, has_image, has_event;
	struct chaos_vm vm;
	struct chaos_flavor flavor;
	struct chaos_host host;
	struct chaos_image image;
	char warning[512];     /* "": none */
	char way[8], why[128]; /* of a create */
	char event[16];
	uint64_t event_id, when_ns;
	uint64_t lost; /* number of events or console bytes that were lost before they could be sent
			*/
	const void *data; /* valid until the next call */
	size_t len;
	uint32_t ndevice; /* for chaos_device() */
	const void *frame;
	size_t frame_len;
	bool has_saved;
	struct chaos_saved saved;
	bool has_snapshot;
	struct chaos_snapshot snapshot;
	uint32_t round; /* of a VM that is copied while it runs; 0: none. saved: bytes so far, pages
			   of the round */
};

/* Sends a request; *tag (may be NULL) is the tag of its replies. It does not block: data that
 * the daemon does not read now is kept (files too) and sent by the next chaos_flush(),
 * chaos_receive() or chaos_send(). -ENOBUFS: more than 64 MiB are kept already. */
int chaos_send(struct chaos *c, const struct chaos_request *rq, uint32_t *tag,
	       struct chaos_error *e);
/* Sends kept data, as far as the daemon reads it. 1: some is left; 0: all is sent. */
int chaos_flush(struct chaos *c, struct chaos_error *e);
/* Receives the next reply to any request. timeout_ms -1: wait forever; -EAGAIN: none came. */
int chaos_receive(struct chaos *c, struct chaos_reply *r, int timeout_ms, struct chaos_error *e);
/* Sends a request and receives replies up to the last one, which is stored in *r; the others are
 * passed to `each` (may be NULL), which can stop by returning an error. Use it only if no other
 * request is open. */
int chaos_call(struct chaos *c, const struct chaos_request *rq, struct chaos_reply *r,
	       int (*each)(const struct chaos_reply *r, void *arg), void *arg,
	       struct chaos_error *e);

/* Device number i of a reply, valid until the next call. -ENOENT: there is no such device. */
int chaos_device(const struct chaos_reply *r, uint32_t i, struct chaos_device *out);

#ifdef __cplusplus
}
#endif

#endif
