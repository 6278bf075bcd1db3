/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices, as the files of this folder share them; what others do with them is in set.h. */
#ifndef CHAOS_ENGINE_DEVICES_DEVICE_H
#define CHAOS_ENGINE_DEVICES_DEVICE_H

#include <sys/types.h>

#include <ev.h>
#include <noxs/abi.h>
#include <utlist.h>

#include "base/table.h"
#include "dom0/devtree.h"
#include "dom0/kernel.h"
#include "dom0/link.h"
#include "dom0/loopdev.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/devices/teardown_wait-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/vm/parts.h"
#include "store/store.h"

#define LINK_MTU_DEFAULT 1500u
/* A backend that is not there after so long, when no request waits, will not come. */
#define CONNECT_S 30.0

/*
 * A device lives longer than its VM: a kernel backend lets go of a dead guest only after some
 * milliseconds, and until then the domain's id cannot be used again. So devices are found by domain
 * id, kind and number, and what holds the slot (drop.c) asks for their domain.
 */

enum device_phase {
	PHASE_MADE,    /* it is in no table yet */
	PHASE_STARTED, /* its nodes are in the store; a backend is coming */
	PHASE_THERE,   /* the backend waits for the frontend */
	PHASE_CONNECTED,
	PHASE_CLOSING,	/* asked to close */
	PHASE_QUEUED,	/* for removal */
	PHASE_REMOVING, /* its nodes are away; the backend lets go */
};

/* Of a device whose backend is chaos-backend. */
enum user_state { USER_IDLE, USER_ATTACHING, USER_ATTACHED, USER_DETACHING };

struct device_key {
	uint32_t domid, kind, devid;
};

/* A domain that has devices, or had some a moment ago. */
struct device_domain {
	UT_hash_handle hh;
	uint32_t domid;
	uint32_t n;		  /* devices there still are */
	uint32_t leaving;	  /* so many devices_left() are to come */
	bool lived;		  /* its VM, when the last device went */
	struct device_set *waits; /* until there are none */
};

struct device {
	struct device *next;	/* of the set ... */
	struct device_set *set; /* ... in which it is; NULL: in none any more */
	struct device *queue_next, *queue_prev;
	struct device *tell_next, *tell_prev;
	UT_hash_handle hh;
	struct device_key key;
	struct engine *en;
	struct vm *vm; /* NULL: of a shell, or of a VM that is gone */
	struct device_domain *dom;
	struct device_config cfg;
	const struct device_kind_ops *kind; /* devices/kind.h */
	const struct backend_ops *backend;  /* backend.h */
	struct devtree_id id;
	enum device_phase phase;
	uint64_t nr;	/* of those started, in order */
	bool noxs;	/* its rings are in the device page */
	bool netdev;	/* vif: its interface is set up */
	int master;	/* ... in the bridge of this ifindex; 0: in none */
	uint32_t mtu;	/* ... with this one; 0: as the kernel made it */
	uint64_t netns; /* ... in the network namespace with this inode; 0: dom0's own */
	struct devtree_rings rings;
	uint64_t ring_gfn; /* of the first ring page */
	struct store_hook back, front;
	bool mirrored; /* is in xenstored, too */
	int ifindex;   /* vif: of the backend's interface; 0: not there yet */
	char ifname[DEVICE_NAME];
	struct files *files; /* vbd: its disk, while a thread opens it, ... */
	void (*then)(struct device *d, struct file *disk); /* ... and what follows */
	int loop_fd; /* vbd: holds the loop device until the backend does */
	struct {
		dev_t dev;
		ino_t ino;
	} disk; /* vbd: the file or block device; 0: not known */
	uint32_t major, minor, sector_size;
	uint64_t sectors;
	bool can_discard;
	enum user_state user_state;
	bool attach_again; /* when its disk is open */
	int user_fd;	   /* the tap or the disk that chaos-backend gets; -1: none */
	bool counted;	   /* in engine.removing */
	bool lost;	   /* the kernel was slow to let go of it, which was said */
	char reason[160];  /* broken; "" when not */
	device_fn *done;   /* called when attach or detach has ended; NULL: none waits */
	void *done_arg;
	bool attaching; /* for attach */
	bool take_back; /* the attach has failed: it goes as soon as nothing uses it ... */
	void (*forget)(struct device *d); /* ... and the VM's configuration has it no more */
	ev_timer timer;
	/* adopt.c: what dom0 lacked may be there, and the disk is opened again */
	ev_timer again;
	enum file_use again_use;
	void (*again_then)(struct device *d, struct file *disk);
};

/* teardown_wait.c's own. */
struct teardown_waits {
	struct teardown_wait *first; /* utlist head: requests that wait */
	ev_timer timer;
	ev_tstamp disk_left; /* when a disk went the last time; 0: none did */
};

#define BRIDGES_KNOWN 8u
struct backend_ops;
struct device_kind_ops;
struct attach;
struct reservation;
struct link;
struct mirror;
struct teardown;
struct user_backend;

/* What the files about devices know together. */
struct devices {
	struct devices_host host;
	const struct device_kind_ops *kinds[DEVICE_KINDS];
	const struct backend_ops *backends[DEVICE_BACKENDS];
	struct device *all;		  /* uthash heads */
	struct device_domain *domains;	  /* likewise */
	struct reservation *reservations; /* likewise */
	struct link *link;
	ev_io uevents;
	struct device *untold;	   /* utlist head: claimed, and the store does not say so yet */
	struct teardown *teardown; /* teardown.c */
	struct teardown_waits *teardown_waits; /* teardown_wait.c */
	struct attach *attaches;	       /* utlist head: those that wait */
	struct user_backend *user;	       /* NULL: not needed so far */
	struct mirror *mirror;		       /* NULL: not beside xenstored */
	bool mirror_news;		       /* a change comes from there */
	/* Bridges that were seen, until the kernel says that some interface went or was renamed. */
	char bridge[BRIDGES_KNOWN][DEVICE_NAME];
	uint32_t nbridge;
	uint64_t started,
		reached;      /* devices ever; the last of these that a kernel backend took up, */
	ev_tstamp reached_at; /* ... then */
};

/* --- set.c --- */

/* One more in a set; not started. `ring`: the first of its ring pages. */
int device_add(struct engine *en, struct device_set *set, const struct device_config *cfg,
	       const struct dom *dom, uint32_t ring, struct device **out, struct err *e);
/* Its disk is open: it is started, after all. */
void device_start_now(struct device *d, struct file *disk);

/* --- device.c: one of them --- */
struct device *device_new(struct engine *en, const struct device_config *cfg, uint32_t domid,
			  struct err *e);
/* Gets what it needs in dom0 and makes its nodes. A vbd takes its disk, which was opened before. */
int device_start(struct device *d, struct file *disk, struct err *e);
/* Has its disk opened by a thread. `then` is called later on the loop, with what came of it, and
 * not at all when the device goes before. */
typedef void device_disk_fn(struct device *d, struct file *disk);
int device_open_later(struct device *d, enum file_use use, device_disk_fn *then, struct err *e);
/* All that it has open, closed by threads. */
void device_close_files(struct device *d);
/* It goes, whatever the guest does; it frees itself. */
void device_remove(struct device *d);
/* Ends it because of a fault: said once, and shown. */
void device_broken(struct device *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void device_tell(const struct device *d, struct device_info *out);
struct device *device_find(struct engine *en, uint32_t domid, enum device_kind kind,
			   uint32_t devid);
/* "<kind><first><domid><second><devid>", as in vif7.0 (no first) and vbd-7-51712. */
bool device_parse_name(const char *name, const char *first, char second, enum device_kind *kind,
		       uint32_t *domid, uint32_t *devid);
/* Where it stands after a change of its backend's state; may free it. */
void device_look(struct device *d);
/* Neither kernel nor store have anything of it any more: it is freed. */
void device_gone(struct device *d);
/* The kernel says that it has removed a backend of this name. */
void device_unbound(struct device *d);
bool device_in_kernel(const struct device *d);
/* Its nodes are about to be removed. */
void device_hide(struct device *d);
/* It is another backend's than its configuration says. */
void device_set_backend(struct device *d, enum device_backend b);
/* Its backend has said something. */
bool device_seen(const struct device *d);
/* The device's timer: in so many seconds its wait is over. */
void device_wait(struct device *d, double seconds);
/* Calls what waits for it, once. */
void device_done(struct device *d, int rc, const struct err *e);
/* Hears of its backend's state from now on. */
int device_watch(struct device *d);

/* Behind the others of its owner. */
void device_set_add(struct device_set *set, struct device *d);

/* --- vif_link.c: the interfaces of vifs --- */
/* The interface gets what was asked for, and the backend hears that it is plugged in; on failure
 * the device is broken. */
void device_link_set(struct device *d);
/* The same; on failure nothing is broken. */
int device_link_try(struct device *d, struct err *e);
/* A bridge was removed. */
void devices_bridge_gone(struct engine *en, int ifindex);

/* --- attach.c --- */
/* The engine closes: what waits is dropped without a call. */
void attaches_close(struct engine *en);
/* --- teardown_wait.c --- */
int teardown_wait_open(struct engine *en, struct err *e);
void teardown_wait_close(struct engine *en);
/* A device with a file has gone within the last seconds. */
bool teardown_lately(const struct engine *en);
/* A device has gone. */
void teardown_wait_gone(struct engine *en, const struct device *d);

/* --- teardown.c --- */
/* The engine closes: what waits for its turn need not wait. */
void teardown_close(struct engine *en);
/* A setting that a killed daemon had changed is as it was. */
int teardown_open(struct engine *en, struct err *e);
/* RCU is not to be waited for so long, if the settings say so. */
void teardown_hurry(struct engine *en, bool on);
bool teardown_hurried(const struct engine *en);
/* The next ones that wait have their turn. */
void teardown_next(struct engine *en);
/* Between these none is begun, so that all devices can be walked over while some of them end. */
void teardown_hold(struct engine *en);
void teardown_release(struct engine *en);
/* None waits, and none is under way. */
bool teardown_is_idle(const struct engine *en);
/* Out of all lists: it is about to be freed. */
void devices_forget(struct device *d);
/* One device of the domain less; with the last one its slot is free. */
void device_domain_put(struct device_domain *dom, struct engine *en);
/* A backend has removed what it had made for the domain (backend.h: domain_gone). */
void devices_left(struct engine *en, uint32_t domid);

/* --- user.c: backends in the process chaos-backend --- */
/* One that belongs to no VM, about to be removed: the process may have it. */
void device_user_orphan(struct device *d);
/* Attaches what the frontend's nodes say; `again`: rings that another process has served before.
 * Files that were the last daemon's are opened anew. On failure it is broken. */
void device_user_attach(struct device *d, bool again);
/* It has ended by itself: said once, and its frontend sees it closed. */
void device_user_broken(struct device *d, const char *why);
/* The process says so. The second may free it. */
void device_user_attached(struct device *d);
void device_user_detached(struct device *d);
/* The same, of one whose files are open. */
int device_user_attach_now(struct device *d, bool again, struct err *e);
/* A number that the frontend has written; `none` without. */
uint32_t device_front_u32(const struct device *d, const char *leaf, uint32_t none);
int device_offer(const struct device *d, const char *leaf, uint64_t value); /* a backend's node */
/* By its number there; NULL: there is none. */
struct device *device_user_find(struct engine *en, uint64_t number);

/* --- user_process.c: the process --- */
struct backend_client;
/* Connects to it, and starts it when there is none. */
int user_backend_open(struct engine *en, struct err *e);
/* Connects to it if there is one. */
bool user_backend_find(struct engine *en);
void user_backend_close(struct engine *en);
/* The connection; NULL: there is none. */
struct backend_client *user_backend_client(const struct engine *en);
/* The process that is connected was started by us, and had no devices. */
bool user_backend_started(const struct engine *en);
/* Requests may have been queued. */
void user_backend_wants(struct engine *en);

/* --- uevent.c: what the kernel says of its backends --- */
/* One message; buf[len] is NUL. */
void uevent_take(struct engine *en, const char *buf, size_t len);
int uevent_open(struct engine *en, struct err *e);
void uevent_close(struct engine *en);

#endif
