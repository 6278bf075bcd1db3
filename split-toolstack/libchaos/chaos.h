/* SPDX-License-Identifier: BSD-3-Clause */
/* libchaos: chaosd's operations for C programs. libchaos(3) tells it at length. */
#ifndef CHAOS_CHAOS_H
#define CHAOS_CHAOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A connection carries any number of requests at a time: chaos_send() gives each a tag, and
 * chaos_receive() hands out the answers as they come. An answer is any number of replies with
 * `last` unset (warnings, list items, events, console output) and one with it set. chaos_call()
 * does both for one request.
 *
 * A connection belongs to one thread. Functions return 0 or a negative errno, with a line for a
 * person in *e (which may be NULL). Nothing is printed, no signal is raised or handled, no global
 * state is kept.
 */
struct chaos;

struct chaos_error {
	int code; /* errno, 0 when nothing was set */
	char message[512];
};

/* Connects to the socket, else to $CHAOS_SOCKET, else to /run/chaos/chaosd.sock. */
int chaos_open(struct chaos **out, const char *socket, struct chaos_error *e);
void chaos_close(struct chaos *c); /* NULL is fine */
/* To poll for reading; then chaos_receive() with a timeout of 0 until -EAGAIN. While chaos_flush()
 * returns 1, to poll for writing too. */
int chaos_fd(const struct chaos *c);

/* --- requests --- */

enum chaos_op {
	CHAOS_VERSION_INFO, /* host without numbers */
	CHAOS_CREATE,	    /* config or set, flags, files -> vm, way, why */
	CHAOS_LIST,	    /* flags -> a reply with a vm each */
	CHAOS_INFO,	    /* vm -> vm and its devices */
	CHAOS_PAUSE,
	CHAOS_UNPAUSE,
	CHAOS_RENAME, /* vm, name */
	CHAOS_SHUTDOWN,
	CHAOS_REBOOT,
	CHAOS_DESTROY,
	CHAOS_RM,
	CHAOS_WAIT,	    /* vm, flags -> vm, when it has ended or is ready */
	CHAOS_CONSOLE,	    /* vm, flags -> replies with data; at its end the vm */
	CHAOS_INPUT,	    /* data, tag of a console request with CHAOS_INPUT_TOO; no answer */
	CHAOS_POOL,	    /* -> a reply with a flavor each */
	CHAOS_POOL_SET,	    /* text */
	CHAOS_EVENTS,	    /* since -> replies with an event each, without an end */
	CHAOS_HOST,	    /* -> host */
	CHAOS_METRICS,	    /* -> replies with data: Prometheus' text form */
	CHAOS_IMAGES,	    /* -> a reply with an image each */
	CHAOS_IMAGE_IMPORT, /* name, kernel_fd -> image */
	CHAOS_IMAGE_RM,	    /* name */
	CHAOS_ATTACH,	    /* vm, set of one "vif=..." or "disk=...", cwd -> a device */
	CHAOS_DETACH,	    /* vm, kind, device, flags -> a device */
	CHAOS_DEVICES,	    /* vm, kind (or NULL) -> a reply with a device each */
	CHAOS_SAVE,    /* vm, flags, file_fd -> saved, when it is written; the VM stands still until
			  CHAOS_SAVED, and goes on if the connection ends before. With CHAOS_KEEP
			  that is the last reply, and the VM goes on */
	CHAOS_SAVED,   /* tag of a save, whose file is safe: the VM ends. No reply of its own */
	CHAOS_RESTORE, /* file_fd, name (or NULL), flags -> vm, saved */
	CHAOS_MOVE,    /* tag of a save that is written: another host may run it from now on. Until
			  CHAOS_MOVED, an unpause or a destroy it stands still, whatever ends */
	CHAOS_MOVED,   /* vm, flags: the other host runs it, and it ends here; with CHAOS_KEEP it
			  does not, and goes on here */
	CHAOS_ADMIT,   /* vm (its uuid, or NULL), name, type, mem_kib, vcpus: room for such a VM? */
	CHAOS_RECEIVE, /* as CHAOS_RESTORE; it does not run yet, and goes with the connection */
	CHAOS_RECEIVED,	   /* tag of a receive that was answered -> vm: it runs */
	CHAOS_SNAPSHOT,	   /* vm, name (or NULL) -> snapshot, saved; the VM goes on */
	CHAOS_SNAPSHOTS,   /* -> a reply with a snapshot each */
	CHAOS_SNAPSHOT_RM, /* name */
	CHAOS_CREATE_FROM, /* vm: a snapshot's name; name (or NULL), flags -> vm, way, why, saved */
	CHAOS_BRANCH, /* vm, name (or NULL), count, flags -> a reply with a vm each; saved, but for
			 bytes */
	CHAOS_SNAPSHOT_PACK,   /* name, file_fd: its file is copied into that */
	CHAOS_SNAPSHOT_UNPACK, /* name, file_fd -> snapshot */
	CHAOS_SLEEP,	       /* vm -> name, saved */
	CHAOS_WAKE,	       /* vm, flags -> vm, way, why, saved */
	CHAOS_ROLLBACK,	       /* vm, name of a snapshot (or NULL) -> saved, but for bytes */
	CHAOS_ROUND, /* tag of a save with CHAOS_LIVE, whose last round has arrived. No reply */
	CHAOS_SET,   /* vm, set of "memory=", "cpu_weight=" or "cap=": of a VM that runs */
};

#define CHAOS_PAUSED	(1u << 0) /* create, restore, branch, wake: do not let it run yet */
#define CHAOS_READY	(1u << 1) /* create, branch, restore, wait: until the guest is ready */
#define CHAOS_ALL	(1u << 3) /* list: the ended, too */
#define CHAOS_FOREIGN	(1u << 4) /* list: domains of other toolstacks, too */
#define CHAOS_FOLLOW	(1u << 5) /* console: until the VM has ended */
#define CHAOS_INPUT_TOO (1u << 6) /* console: takes input */
#define CHAOS_LOG	(1u << 7) /* console: from the first byte kept, not from now on */
#define CHAOS_FORCE	(1u << 8) /* rm: destroy it first; detach: do not ask the guest */
#define CHAOS_SAME	(1u << 9) /* create: a VM of this uuid that is there is the answer */
#define CHAOS_XL	(1u << 10) /* create: unknown keys are passed over with a warning, as xl does */

#define CHAOS_NO_WAIT_DEVICES (1u << 11) /* create: run without devices that do not come */

#define CHAOS_KEEP (1u << 12) /* save: the VM goes on; moved: it goes on here */
/* save, receive: a PVH VM runs while it is copied. Each round of it is a reply of its own on both
 * sides, with its number in `round`; a save waits for a CHAOS_ROUND then. */
#define CHAOS_LIVE (1u << 13)
/* receive: kernel, ramdisk and on_* that the source names count, though this host does not know
 * them */
#define CHAOS_PATHS (1u << 14)
/* restore, wake (keep only): what becomes of its disks; none of these: chaos(1) */
#define CHAOS_DISKS_KEEP     (1u << 24)
#define CHAOS_DISKS_READONLY (1u << 25)
#define CHAOS_DISKS_NONE     (1u << 26)
#define CHAOS_DISKS_COPY     (1u << 27)

/* console: the channel of the guest's agent (agent=1), from now on and in both directions, for one
 * client at a time. A reply with `lost` set says that the guest has connected it: what was under
 * way before is gone. What the client does not receive stays with the guest. */
#define CHAOS_AGENT (1u << 16)

#define CHAOS_NOW UINT64_MAX /* since: no event of the past */

/* chaos_request_init() sets what is not needed to nothing. All stays the caller's. */
struct chaos_request {
	enum chaos_op op;
	const char *vm; /* name, domain id or uuid */
	uint32_t flags; /* CHAOS_* */
	const char *name;
	/* create: the text of an xl.cfg file, or keys alone; lists end with NULL */
	const char *config, *config_name; /* the name is for messages */
	const char *cwd;		  /* what relative paths are relative to */
	const char *const *set;		  /* "key=text", the text as it is */
	const char *const *override;	  /* "key=value" in the syntax of the file */
	const char *const *ignore;	  /* keys to leave out */
	int kernel_fd, ramdisk_fd;	  /* -1: the daemon opens them */
	const char *text;		  /* "type=pv memory=4 count=8" */
	const char *kind;		  /* of devices: "vif" or "vbd" */
	const char *device;		  /* "0", a MAC or a name in dom0; "xvda" */
	uint64_t since;			  /* number of the last event seen */
	const void *data;
	size_t len;
	uint32_t tag;	  /* of the console that input is for, or of a save or receive */
	int file_fd;	  /* what is saved to or restored from: a file, pipe or socket; -1 */
	const char *type; /* admit: "pv" or "pvh" */
	uint64_t mem_kib; /* admit */
	uint32_t vcpus;	  /* admit */
	uint32_t count;	  /* of copies; 0: one */
};

void chaos_request_init(struct chaos_request *rq, enum chaos_op op);

/* --- replies --- */

struct chaos_vm {
	char name[160], uuid[37], state[16], type[8];
	char reason[160]; /* of its last end; of an unknown one why it is not known */
	char on_poweroff[16], on_reboot[16], on_crash[16];
	uint32_t domid, vcpus, restarts;
	uint32_t maxvcpus; /* 0: as vcpus */
	uint32_t online;   /* vCPUs that are not down; 0: as vcpus */
	int exit_code;	   /* -1: unknown */
	bool ready, noxs;
	uint64_t mem_kib, maxmem_kib, created_ns, started_ns, ended_ns, cpu_ns, console_bytes;
	char cmdline[1024], kernel[4096], ramdisk[4096];
	char cpus[2048];    /* that it runs on, "0-3"; "0;1-2": of each vCPU; "": all */
	char snapshot[136]; /* made from or last kept as: name, or digest of one that is not here */
	char copy_of[160];  /* the VM whose branch or child it is: name, or uuid of one that is gone
			     */
};

struct chaos_flavor {
	char type[8], image[4096], ramdisk[4096]; /* image "": for any ... */
	bool for_linux;				  /* ... of Linux, or with a noxs entry */
	char bridge[16], backend[8];		  /* of the vifs */
	uint32_t vifs, vbds;			  /* of each shell */
	uint32_t vcpus, low, high, target, ready;
	uint64_t mem_kib, hits, misses, held_kib;
	char from[256]; /* shells are copies of this snapshot; "": of none */
	/* of such: its words ready, mac, ip and disk; "": none */
	char ready_when[96], macs[48], ips[48], disks[16];
};

struct chaos_host {
	char chaos[32], xen[64], store[16];
	uint32_t cpus, vms, slots;
	bool pvh;
	uint64_t mem_kib, free_kib, pool_kib;
	char tail_guard[256]; /* the host's settings; "off" */
	char store_room[8];   /* for what the store records in the run directory: "fine", "tight"
				 (guests may not grow there), "none" (nothing is answered) */
};

struct chaos_image {
	char name[256], digest[65], types[16], guest_os[32];
	bool noxs, linux_kernel;
	uint64_t bytes, min_kib, used_ns;
};

struct chaos_device {
	char kind[4];		     /* "vif" or "vbd" */
	char id[16];		     /* "0"; "xvda" */
	char state[16], reason[160]; /* reason: of a broken one */
	char backend[8];	     /* "kernel" or "user" */
	uint32_t devid;		     /* Xen's number */
	/* vif */
	char mac[18], bridge[16], ifname[16], ip[128];
	char netns[128], peer[16]; /* path of its network namespace, interface there; "": in none */
	uint32_t mtu, rate_us;
	uint64_t rate_bytes; /* per rate_us; 0: no limit */
	/* vbd */
	char path[4096];
	bool readonly, cdrom;
	uint64_t sectors; /* of 512 bytes */
};

/* Of a file of a saved VM. */
struct chaos_saved {
	uint64_t bytes;
	uint64_t pages, pages_in_file; /* of the guest, of 4 KiB */
	uint64_t stopped_ns;	       /* save: it stood still for so long */
	uint64_t total_ns;	       /* from the request on */
};

struct chaos_snapshot {
	char name[136], digest[65], vm[136], type[8];
	char parent[65], parent_name[136]; /* digest; "": none, or the name is not known here */
	uint32_t vcpus;
	uint64_t mem_kib, bytes, created_ns;
	uint64_t pages, pages_in_file; /* of the guest, of 4 KiB */
};

struct chaos_reply {
	uint32_t tag;
	bool last;
	int error; /* errno of a refused request, with `message`; then `last` is set */
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
	uint64_t lost;	  /* events or console bytes that were gone before they could be sent */
	const void *data; /* until the next call */
	size_t len;
	uint32_t ndevice; /* for chaos_device() */
	const void *frame;
	size_t frame_len;
	bool has_saved;
	struct chaos_saved saved;
	bool has_snapshot;
	struct chaos_snapshot snapshot;
	uint32_t round; /* of a VM that moves while it runs; 0: none. saved: bytes so far, pages of
			   it */
};

/* Sends a request; *tag (may be NULL) is what its replies will carry. It waits for nothing: what
 * the daemon does not take now is kept (files too) and sent by the next call of chaos_flush(),
 * chaos_receive() or chaos_send(). -ENOBUFS: more than 64 MiB wait already. */
int chaos_send(struct chaos *c, const struct chaos_request *rq, uint32_t *tag,
	       struct chaos_error *e);
/* Sends what waits, as far as the daemon takes it. 1: some still waits; 0: all is sent. */
int chaos_flush(struct chaos *c, struct chaos_error *e);
/* Takes the next reply of any request. timeout_ms -1: for ever; -EAGAIN when none came. */
int chaos_receive(struct chaos *c, struct chaos_reply *r, int timeout_ms, struct chaos_error *e);
/* Sends and receives until the last reply, which is left in *r; the others go to `each` (may be
 * NULL), which ends it by returning an error. Only with no other request under way. */
int chaos_call(struct chaos *c, const struct chaos_request *rq, struct chaos_reply *r,
	       int (*each)(const struct chaos_reply *r, void *arg), void *arg,
	       struct chaos_error *e);

/* Device number i of a reply, until the next call. -ENOENT: it has not so many. */
int chaos_device(const struct chaos_reply *r, uint32_t i, struct chaos_device *out);

#ifdef __cplusplus
}
#endif

#endif
