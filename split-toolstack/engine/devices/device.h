/* SPDX-License-Identifier: BSD-3-Clause */
/* The structures of devices, for the files of this folder; other rooms use set.h. */
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
/* If no request waits: a backend that has not connected after this time will not. */
#define CONNECT_S 30.0

/* A device exists longer than its VM: a kernel backend releases the pages of an ended guest only
 * after some milliseconds, and before that the domain's id cannot be used again. Therefore
 * devices are found by domain id, kind and number, and drop.c, which has the slot, checks
 * whether the domain has devices. */

enum device_phase {
	PHASE_MADE,    /* it is in no table yet */
	PHASE_STARTED, /* its nodes are in the store; its backend has not come up */
	PHASE_THERE,   /* its backend waits for the frontend */
	PHASE_CONNECTED,
	PHASE_CLOSING,	/* both ends were requested to close */
	PHASE_QUEUED,	/* waits to be removed */
	PHASE_REMOVING, /* its nodes were removed; its backend is releasing it */
};

/* For a device of chaos-backend. */
enum user_state { USER_IDLE, USER_ATTACHING, USER_ATTACHED, USER_DETACHING };

struct device_key {
	uint32_t domid, kind, devid;
};

/* A domain that has devices, or has had some until now. */
struct device_domain {
	UT_hash_handle hh;
	uint32_t domid;
	uint32_t n;		  /* number of devices */
	uint32_t leaving;	  /* so many devices_left() are to come */
	bool lived;		  /* its VM, when the last device went */
	struct device_set *waits; /* waits until there are none */
};

struct device {
	struct device *next;	/* list of a set ... */
	struct device_set *set; /* ... which is this one; NULL: it is in no set any more */
	struct device *queue_next, *queue_prev;
	struct device *tell_next, *tell_prev;
	UT_hash_handle hh;
	struct device_key key;
	struct engine *en;
	struct vm *vm; /* NULL: of a shell, or of a VM that has ended */
	struct device_domain *dom;
	struct device_config cfg;
	const struct device_kind_ops *kind; /* devices/kind.h */
	const struct backend_ops *backend;  /* backend.h */
	struct devtree_id id;
	enum device_phase phase;
	uint64_t nr;	/* number in the order of starts */
	bool noxs;	/* its rings are in the device page */
	bool netdev;	/* vif: its interface is set up */
	int master;	/* ... and in the bridge with this ifindex; 0: in none */
	uint32_t mtu;	/* ... and has this MTU; 0: the kernel's default */
	uint64_t netns; /* ... and is in the network namespace with this inode; 0: dom0's own */
	struct devtree_rings rings;
	uint64_t ring_gfn; /* of the first ring page */
	struct store_hook back, front;
	bool mirrored; /* its nodes are also in xenstored */
	int ifindex;   /* vif: of the backend's interface; 0: it does not exist yet */
	char ifname[DEVICE_NAME];
	struct files *files; /* vbd: its disk, while a thread opens it, ... */
	void (*then)(struct device *d,
		     struct file *disk); /* ... and the function to be called then */
	int loop_fd; /* vbd: the loop device, kept open until the backend has opened it */
	struct {
		dev_t dev;
		ino_t ino;
	} disk; /* vbd: the file or block device; 0: not known */
	uint32_t major, minor, sector_size;
	uint64_t sectors;
	bool can_discard;
	enum user_state user_state;
	bool attach_again; /* attach it again when its disk is open */
	int user_fd;	   /* the TAP or disk for chaos-backend; -1: none */
	bool counted;	   /* it is counted in engine.removing */
	bool lost;	   /* the kernel has not released it in time, which was logged */
	ev_tstamp lost_at; /* when that time ends */
	char reason[160];  /* why it is broken; "" if it is not */
	device_fn *done;   /* called when attach or detach has ended; NULL: no request waits */
	void *done_arg;
	bool attaching; /* waits for an attach */
	bool take_back; /* the attach has failed: remove it as soon as nothing uses it ... */
	void (*forget)(struct device *d); /* ... and then remove it from the VM's configuration */
	ev_timer timer;
	/* adopt.c: tries again when dom0 lacked a resource, also to open the disk */
	ev_timer again;
	enum file_use again_use;
	void (*again_then)(struct device *d, struct file *disk);
};

/* For teardown_wait.c. */
struct teardown_waits {
	struct teardown_wait *first; /* utlist head: waiting requests */
	ev_timer timer;
	ev_tstamp disk_left; /* when a device with a disk was last removed; 0: none was */
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

/* Data that the files of this room share. */
struct devices {
	struct devices_host host;
	const struct device_kind_ops *kinds[DEVICE_KINDS];
	const struct backend_ops *backends[DEVICE_BACKENDS];
	struct device *all;		  /* uthash heads */
	struct device_domain *domains;	  /* likewise */
	struct reservation *reservations; /* likewise */
	struct link *link;
	ev_io uevents;
	struct device *untold;	   /* utlist head: claimed, and its nodes not written yet */
	struct teardown *teardown; /* teardown.c */
	struct teardown_waits *teardown_waits; /* teardown_wait.c */
	struct attach *attaches;	       /* utlist head: waiting attaches */
	struct user_backend *user;	       /* NULL: not used so far */
	struct mirror *mirror;		       /* NULL: not beside xenstored */
	bool mirror_news;		       /* a change from there is being handled */
	/* Bridges that were seen. Cleared when the kernel reports that an interface was removed
	 * or renamed. */
	char bridge[BRIDGES_KNOWN][DEVICE_NAME];
	uint32_t nbridge;
	uint64_t started, reached; /* number of devices so far; the last one that a kernel backend
					   has handled, */
	ev_tstamp reached_at;	   /* ... and when */
};

/* --- set.c --- */

/* Adds a device to a set; it is not started. `ring`: the first of its ring pages. */
int device_add(struct engine *en, struct device_set *set, const struct device_config *cfg,
	       const struct dom *dom, uint32_t ring, struct device **out, struct err *e);
/* Its disk is open: starts it. */
void device_start_now(struct device *d, struct file *disk);

/* --- device.c: one of them --- */
struct device *device_new(struct engine *en, const struct device_config *cfg, uint32_t domid,
			  struct err *e);
/* Makes what it needs in dom0, and its nodes. A vbd takes its disk, which must be open. */
int device_start(struct device *d, struct file *disk, struct err *e);
/* Opens its disk on a thread. `then` is called later on the loop with the result; it is not
 * called if the device is removed before. */
typedef void device_disk_fn(struct device *d, struct file *disk);
int device_open_later(struct device *d, enum file_use use, device_disk_fn *then, struct err *e);
/* Closes all of its files, on threads. */
void device_close_files(struct device *d);
/* Removes it, whatever the guest does; it is freed later. */
void device_remove(struct device *d);
/* Marks it as broken, with a reason that is logged once and shown. */
void device_broken(struct device *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void device_tell(const struct device *d, struct device_info *out);
struct device *device_find(struct engine *en, uint32_t domid, enum device_kind kind,
			   uint32_t devid);
/* Parses "<kind><first><domid><second><devid>", for example vif7.0 (no first) and vbd-7-51712. */
bool device_parse_name(const char *name, const char *first, char second, enum device_kind *kind,
		       uint32_t *domid, uint32_t *devid);
/* Handles a change of its backend's state; may free it. */
void device_look(struct device *d);
/* Neither kernel nor store have anything of it any more: frees it. */
void device_gone(struct device *d);
/* The kernel reports that it has removed a backend with this name. */
void device_unbound(struct device *d);
/* The kernel has made a backend ("vif-7-0") for a device that is not known: its nodes were removed
 * while the kernel was about to look at them. It is removed, if it can only be one of ours. */
void devices_stray(struct engine *en, const char *name);
/* Beside xenstored: the id now belongs to a domain of another toolstack, whose backends have the
 * same paths. */
bool device_id_is_others(struct engine *en, uint32_t domid);
bool device_in_kernel(const struct device *d);
/* Call it before its nodes are removed. */
void device_hide(struct device *d);
/* Sets a backend that differs from its configuration. */
void device_set_backend(struct device *d, enum device_backend b);
/* Whether its backend has written a state. */
bool device_seen(const struct device *d);
/* Starts the device's timer. */
void device_wait(struct device *d, double seconds);
/* Calls the waiting request's function once. */
void device_done(struct device *d, int rc, const struct err *e);
/* Begins to follow the state of its backend. */
int device_watch(struct device *d);

/* Adds it at the end of a set. */
void device_set_add(struct device_set *set, struct device *d);

/* --- vif_link.c: the interfaces of vifs --- */
/* Sets up the interface and notifies the backend; on failure the device is broken. */
void device_link_set(struct device *d);
/* The same; on failure the device is not broken. */
int device_link_try(struct device *d, struct err *e);
/* A bridge was removed. */
void devices_bridge_gone(struct engine *en, int ifindex);

/* --- attach.c --- */
/* The engine is being closed: waiting attaches are dropped without a call. */
void attaches_close(struct engine *en);
/* --- teardown_wait.c --- */
int teardown_wait_open(struct engine *en, struct err *e);
void teardown_wait_close(struct engine *en);
/* Whether a device with a file was removed in the last seconds. */
bool teardown_lately(const struct engine *en);
/* A device was removed. */
void teardown_wait_gone(struct engine *en, const struct device *d);

/* --- teardown.c --- */
/* The engine is being closed: waiting devices are not removed. */
void teardown_close(struct engine *en);
/* Restores a setting that a killed daemon had changed. */
int teardown_open(struct engine *en, struct err *e);
/* Makes RCU faster, if the settings allow that. */
void teardown_hurry(struct engine *en, bool on);
bool teardown_hurried(const struct engine *en);
/* Begins to remove the next devices. */
void teardown_next(struct engine *en);
/* Between these two calls no removal begins, so that the list of devices can be walked. */
void teardown_hold(struct engine *en);
void teardown_release(struct engine *en);
/* Whether no device is being removed or waits for it. */
bool teardown_is_idle(const struct engine *en);
/* Removes it from all lists; it will be freed. */
void devices_forget(struct device *d);
/* The domain has one device less; with the last one its slot is freed. */
void device_domain_put(struct device_domain *dom, struct engine *en);
/* A backend has removed what it had made for the domain (backend.h: domain_gone). */
void devices_left(struct engine *en, uint32_t domid);

/* --- user.c: backends in the process chaos-backend --- */
/* A device without a VM will be removed: chaos-backend may have it. */
void device_user_orphan(struct device *d);
/* Attaches the rings in the frontend's nodes; `again`: another process has served them before.
 * Files that the last daemon had opened are opened again. On failure it is broken. */
void device_user_attach(struct device *d, bool again);
/* It has ended by itself: logs it once, and shows the frontend that it is closed. */
void device_user_broken(struct device *d, const char *why);
/* Answers of the process. The second may free the device. */
void device_user_attached(struct device *d);
void device_user_detached(struct device *d);
/* The same for a device whose files are open. */
int device_user_attach_now(struct device *d, bool again, struct err *e);
/* A number that the frontend has written, or `none`. */
uint32_t device_front_u32(const struct device *d, const char *leaf, uint32_t none);
int device_offer(const struct device *d, const char *leaf,
		 uint64_t value); /* writes a node of the backend */
/* Finds a device by its number in the process; NULL: there is none. */
struct device *device_user_find(struct engine *en, uint64_t number);

/* --- user_process.c: the process --- */
struct backend_client;
/* Connects to it, or starts it. */
int user_backend_open(struct engine *en, struct err *e);
/* Connects to it if it runs. */
bool user_backend_find(struct engine *en);
void user_backend_close(struct engine *en);
/* The connection; NULL: there is none. */
struct backend_client *user_backend_client(const struct engine *en);
/* Whether the connected process was started by this daemon and has had no devices. */
bool user_backend_started(const struct engine *en);
/* Requests may have been queued. */
void user_backend_wants(struct engine *en);

/* --- uevent.c: the kernel's reports about its backends --- */
/* Handles one message; buf[len] is NUL. */
void uevent_take(struct engine *en, const char *buf, size_t len);
int uevent_open(struct engine *en, struct err *e);
void uevent_close(struct engine *en);

#endif
