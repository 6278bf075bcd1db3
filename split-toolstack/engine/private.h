/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the engine share. Nothing outside this folder includes it. */
#ifndef CHAOS_ENGINE_PRIVATE_H
#define CHAOS_ENGINE_PRIVATE_H

#include "split-toolstack/engine/engine.h"

#include <sys/types.h>

/* uthash's own hash falls through switch labels without saying so. */
#define HASH_FUNCTION(key, len, hash) (hash) = table_hash((key), (len))
#include "base/table.h"
#include <utlist.h>

#include "base/xen.h"
#include "noxs/control.h"
#include "noxs/page.h"
#include "store/store.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/domain/map.h"
#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/files/file_key.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/devices/teardown_wait.h"
#include "split-toolstack/engine/life/adopt-t.h"
#include "split-toolstack/engine/life/adopt.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/services/domains.h"
#include "split-toolstack/engine/services/idle.h"
#include "split-toolstack/engine/services/ports.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/vm-t.h"
#include "split-toolstack/engine/vm/vm.h"

#define INPUT_QUEUE_MAX 65536u
/* Up to here a build is short enough for the loop. */
#define INLINE_MEM_KIB (16u << 10)
/* Up to here an image is short enough for it: of memory that is mapped and written. */
#define INLINE_IMAGE_BYTES (1u << 20)

/* FNV-1a; names come from clients that are trusted with more than that. */
static inline uint32_t table_hash(const void *key, size_t len)
{
	const uint8_t *p = key;
	uint32_t h = 2166136261u;

	while (len--)
		h = (h ^ *p++) * 16777619u;
	return h;
}

/* --- console_log.c: one bounded file a VM, a ring behind a header --- */

struct console_log {
	int fd;		    /* -1: not made yet; it comes with the first byte */
	uint64_t end;	    /* bytes ever written */
	uint64_t size;	    /* of the ring */
	uint32_t ring_cons; /* the guest's ring up to where the log has it */
	bool failed;	    /* could not be written: said once */
};

/* A guest's end of the store, when it has no device page. */
struct vm_view {
	struct store_ring ring;
	uint32_t port;	     /* ours */
	uint32_t guest_port; /* 0: it has no store */
	struct port_user user;
	bool woken;
};

struct vm {
	struct engine *en;
	struct vm *view_next, *view_prev;	/* those whose ring has something to move */
	struct vm *window_next, *window_prev;	/* those whose window is still open */
	struct vm *unheard_next, *unheard_prev; /* adopted, and their channels not bound yet */
	struct vm *untold_next, *untold_prev;	/* names_beside.c */
	struct shown_name *shown;
	struct vm *next, **prev; /* living: in order of creation; ended: newest first */
	uint64_t since;		 /* the move that put it into its list */
	UT_hash_handle by_name, by_uuid, by_domid;
	char name[VM_NAME_MAX + 1];
	uint8_t uuid[16];
	uint32_t domid; /* 0: none */
	struct vm_config cfg;
	struct vm_life life;
	struct vm_left left; /* by the last daemon */
	enum vm_reason reason;
	int exit_code;
	bool ready;    /* said so */
	bool noxs;     /* has a device page */
	uint32_t seen; /* the scan that saw its domain last */
	uint32_t restarts;
	uint64_t pages;
	uint64_t created_ns, started_ns, ended_ns;
	uint64_t past_ns; /* when the one of its uuid in the history has ended; 0: it lives */
	struct vm_seen last;
	struct dom dom;
	uint64_t dev_frame, control_frame;
	struct slot slot; /* 0: adopted, its id belongs to no slot yet */
	uint32_t port;	  /* ours, of the control channel: the slot's or bound to guest_port */
	struct port_user control;  /* ... listened to */
	struct port_credit credit; /* of all its channels */
	uint32_t guest_port;	   /* allocated for the guest; 0: it binds to the slot's */
	uint8_t *map;		   /* device page, then control page */
	struct noxs_control_end con;
	struct console_log log;
	struct vm_view view;
	uint8_t *input; /* waits for room in the ring */
	uint32_t input_len;
	/* create in progress */
	struct vm_create create;
	struct vm_timings t;
	uint64_t unpaused;
	struct image *img;
	struct device_set devices;
	struct teardown_wait teardown_wait;
	struct reservation *reservations;
	struct files *files; /* to be built from: being opened, or open and not used yet */
};

struct devices;
struct registry;

/* --- pool.c: domains made ahead --- */

/* A paused domain that no VM has used: connected (but for a Linux one without its image, whose
 * pages are placed by the image), and for warm ones loaded and armed. */
struct shell {
	struct shell *next;
	struct dom dom;
	uint8_t uuid[16];
	struct slot slot;
	uint8_t *map;
	struct image *img;	 /* warm */
	uint32_t guest_port;	 /* allocated for Linux; 0: it binds to the slot's */
	uint32_t store_port;	 /* likewise */
	struct file_key ramdisk; /* all zero: none */
	struct engine *en;
	struct device_set devices;
	/* pool_devices.c: while they are being connected */
	struct shell *conn_prev, *conn_next;
	struct flavor *flavor; /* NULL: ended in the meantime */
	uint32_t lacks;	       /* vifs that are not connected yet */
	bool failed;
};

struct flavor {
	struct flavor *next;
	struct pool_flavor f;
	struct shell *shells;
	uint64_t retry_at;  /* ns: after a failure not before */
	uint64_t wanted_at; /* ns: a request wanted one */
	uint32_t backoff;
	uint32_t connecting; /* shells that wait for their devices */
	uint32_t burst;	     /* wanted since it was last full */
};

/* What the pool's files know together. */
struct pool {
	struct flavor *flavors;
	struct shell_job *job; /* the shell that is being made */
	ev_timer sink;
	struct shell *connecting; /* utlist head: they wait for their devices */
	uint32_t nconnecting;
};

struct engine {
	const struct life_cell (*life)[LIFE_EVENTS]; /* life_table */
	struct ev_loop *loop;
	struct xen *x;
	struct engine_conf conf;
	enum store_mode store;
	struct xen_host host;
	struct vm *alive, **alive_tail;
	struct vm *ended;
	uint32_t nended;
	uint64_t moves;			   /* of VMs into either list */
	struct vm_cursor *cursors;	   /* utlist head */
	struct vm *names, *uuids, *domids; /* uthash heads */
	struct adoption *adoption;
	struct vm *unheard; /* utlist head */
	struct drops *drops;
	struct memory memory;
	uint32_t builds;    /* on the worker */
	struct vm *windows; /* utlist head */
	struct slots *slots;
	struct store *tree;
	struct storehost *storehost;
	struct names *names_of_tools;
	struct vm *views_woken; /* utlist head */
	struct idle *idle;	/* NULL: the engine closes */
	struct ports *ports;
	struct deaths *deaths;
	struct registry *registry;
	struct worker *worker; /* NULL: the engine closes */
	struct opener *opener;
	struct images *images;
	struct pool pool;
	struct devices *devices; /* device.h */
	struct tail *tail;	 /* NULL: off */
	struct engine_observer *observers;
};

/* --- engine.c --- */
/* It belongs to no VM, also none that is being built, to no shell, and is not ours to be destroyed.
 */
bool domain_is_foreign(struct engine *en, const struct xen_domain_info *info);

/* Backends still have something of this domain, living or not. */
bool devices_of(struct engine *en, uint32_t domid);

/* --- control.c --- */
/* Listens to the VM's control channel, which is bound. */
int vm_hear(struct vm *vm);
/* Looks at ring and words of one VM now. */
void vm_look(struct vm *vm);

/* --- claim_shell.c --- */
/* Moves the best fitting shell into the VM, whose image and configuration are known: the domain is
 * not started yet. False: none; t.why says why. */
bool vm_claim_shell(struct vm *vm);

/* --- chores.c --- */
int chores_open(struct engine *en, struct err *e);

/* --- scan.c --- */
/* Ends of VMs are noticed from now on; decides on the mode of the store. */
int scan_open(struct engine *en, struct err *e);

/* --- storehost.c: the host's store --- */
int storehost_open(struct engine *en, struct err *e); /* the mode is known */
void storehost_close(struct engine *en);
/* What the tree has of domains that are no VMs goes. */
void storehost_tidy(struct engine *en);
/* Never NULL while the engine is open: guests' views are in it in every mode, dom0's own devices in
 * mode own. */
struct store *engine_store(struct engine *en);
/* -ENOSPC: its folder is full, and nothing can be added to it. */
int storehost_check_room(const struct engine *en, struct err *e);
void storehost_busy(struct engine *en); /* the loop comes round without sleeping */
/* The backend's nodes of a guest's console, at a path that is there. */
int storehost_console_backend(struct engine *en, uint32_t domid, const char *at);

/* --- view.c: what a guest that is not ours finds in the store --- */
/* The guest's ends of the channels it expects: console and, without noxs, store. */
int view_ports(struct xen *x, uint32_t domid, bool noxs, uint32_t *console, uint32_t *store,
	       struct err *e);
/* Makes nodes (or adopts them) and serves the ring from then on; nothing for a VM without. On
 * failure nothing is open. */
int vm_view_open(struct vm *vm, bool adopt, struct err *e);
void vm_view_close(struct vm *vm); /* the nodes stay: for the next daemon */
/* All that the store has of the VM's domain goes. */
void vm_view_forget(struct vm *vm);
void views_poll(struct engine *en); /* those that were woken */
void vm_view_renamed(struct vm *vm);
int vm_view_shutdown(struct vm *vm, bool reboot, struct err *e);
void view_on_missing(void *arg, uint32_t domid); /* for store_on_missing() */

/* --- console_log.c --- */
void console_log_init(struct console_log *l, const struct engine *en);
int console_log_write(struct vm *vm, const void *data, uint32_t len, uint32_t ring_cons);
/* A restarted VM has a fresh ring; the log goes on. */
void console_log_new_ring(struct vm *vm);
int console_log_open_old(struct vm *vm); /* -ENOENT: nothing was ever written */
/* With the old log open: what it has and the ring still shows is not taken twice; what came while
 * it could not be written is lost. */
void console_log_adopt(struct vm *vm);
void console_log_close(struct console_log *l);
void console_log_delete(struct vm *vm);

#include "split-toolstack/engine/pool/pool.h"

#endif
