/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kinds of devices differ in when they are there: a row each (what their configurations
 * differ in: config/device_config_ops.h). NULL: there is nothing to do. */
#ifndef CHAOS_ENGINE_DEVICES_KIND_H
#define CHAOS_ENGINE_DEVICES_KIND_H

#include "split-toolstack/engine/devices/device.h"

struct backend_client;

struct device_kind_ops {
	const char *driver; /* of dom0's kernel: "xen-netback" */

	/* --- may a VM have it --- */

	/* What a configuration leaves open: id, address. `also_leaving`: the id is none that a
	 * device of the VM's domain has. */
	void (*number)(struct vm *vm, struct device_config *d, bool also_leaving);
	/* What in dom0 must be there, or no other VM's. -errno with the reason; -EAGAIN: it will be
	 * when a device is gone that is being torn down. */
	int (*admit)(struct engine *en, const struct vm *self, const struct device_config *d,
		     struct err *e);
	/* Likewise, by its file; `other`: n devices that the VM has, too. Notes what the file is.
	 */
	int (*admit_file)(struct vm *vm, struct device_config *d, const struct device_config *other,
			  uint32_t n, const struct file *file, struct err *e);
	/* Notes what the VM has for itself by that (reservations.c). -ENOMEM. */
	int (*reserve)(struct vm *vm, const struct device_config *d);

	/* --- in shells --- */

	uint32_t (*in_flavor)(const struct pool_flavor *f); /* so many does a VM of it have */
	/* A shell's number `i` of them can become the one of a VM. NULL: shells have none, they are
	 * added. */
	bool (*fits_shell)(const struct pool_flavor *f, const struct device_config *d, uint32_t i);
	void (*of_shell)(const struct pool_flavor *f, const uint8_t uuid[16], uint32_t i,
			 struct device_config *out);
	/* A shell's becomes the VM's, and what the VM's configuration says. */
	int (*claim)(struct device *d, struct vm *vm, const struct device_config *c, struct err *e);

	/* --- one of them --- */

	/* Its file is this one: held, and where the backend wants one, behind a block device. */
	int (*take_file)(struct device *d, struct file *file, struct err *e);
	void (*prepare)(struct device *d); /* just before its nodes are made */
	int (*make_nodes)(struct device *d);
	bool (*is_set_up)(const struct device *d); /* in dom0, besides its backend */
	void (*hide)(struct device *d);		   /* its nodes are about to be removed */
	/* Its entry of the device page: all but index, rings and port. */
	void (*page)(const struct device *d, struct noxs_device *to);
	void (*close_files)(struct device *d);
	/* An interface of its name has come; events of that were lost. */
	void (*netdev)(struct device *d, int ifindex, const char *name);
	void (*look_again)(struct device *d);
	/* Of a VM that lives on: what dom0 has of it. -errno: dom0 lacked something. */
	int (*adopt)(struct device *d);

	/* --- with chaos-backend --- */

	int (*user_open)(struct device *d, struct err *e); /* what the process is to be given */
	int (*user_offer)(const struct device *d);	   /* nodes: what it can do */
	void (*user_started)(struct device *d);		   /* it is known to the process */
	void (*user_rings)(struct device *d);		   /* from the nodes of the frontend */
	/* `again`: another process has served these rings before. */
	int (*user_attach)(struct device *d, struct backend_client *c, uint64_t number, bool again,
			   struct err *e);
	/* The file that another daemon had given to the process is opened anew, and it is attached.
	 */
	int (*user_reopen)(struct device *d, bool again, struct err *e);
};

extern const struct device_kind_ops vif_ops, vbd_ops;

/* --- vif_link.c --- */
/* The MTU of its bridge goes into the device page, which is shown before there is an interface. */
void vif_foresee_mtu(struct device *d);
/* An interface of its name in dom0 is there. */
void vif_netdev(struct device *d, int ifindex, const char *name);
/* Its interface is set up, and its backend hears of it; `tell_mtu`: its frontend, too. */
void vif_plugged(struct device *d, uint32_t tell_mtu);
int vif_claim(struct device *d, struct vm *vm, const struct device_config *c, struct err *e);

/* --- vif_admit.c --- */
/* In Xen's own range; the same for every start of the VM, and `more` ones behind that. */
void vif_make_mac(uint8_t mac[6], const uint8_t uuid[16], uint32_t devid, uint32_t more);
void vif_number(struct vm *vm, struct device_config *d, bool also_leaving);
int vif_admit(struct engine *en, const struct vm *self, const struct device_config *d,
	      struct err *e);
int vif_reserve(struct vm *vm, const struct device_config *d);

/* --- vif_netns.c: with netns= --- */
/* What the configuration leaves open is the peer's: MAC and MTU; if it is there. */
void vif_netns_foresee(struct vif_config *v);
/* The namespace and the peer are there, and no other VM's. */
int vif_netns_admit(struct engine *en, const struct vm *self, const struct vif_config *v,
		    struct err *e);
/* Moves the interface there, and joins it with the peer. On failure nothing is broken. */
int vif_netns_set(struct device *d, struct err *e);
/* An interface of its name was seen in dom0's own namespace. True: of one that had been moved,
 * whose namespace has ended, if it is there. */
bool vif_netns_came_back(struct device *d);
int vif_netns_adopt(struct device *d);
/* The peer is its namespace's own again. */
void vif_netns_leave(struct device *d);

/* --- vif_user.c --- */
int vif_user_open(struct device *d, struct err *e);
int vif_user_offer(const struct device *d);
void vif_user_started(struct device *d);
void vif_user_rings(struct device *d);
int vif_user_attach(struct device *d, struct backend_client *c, uint64_t number, bool again,
		    struct err *e);
int vif_user_reopen(struct device *d, bool again, struct err *e);

/* --- vbd_admit.c --- */
int vbd_admit(struct engine *en, const struct vm *self, const struct device_config *d,
	      struct err *e);
int vbd_admit_file(struct vm *vm, struct device_config *d, const struct device_config *other,
		   uint32_t n, const struct file *file, struct err *e);
int vbd_reserve(struct vm *vm, const struct device_config *d);

/* --- vbd_disk.c --- */
int vbd_take_file(struct device *d, struct file *file, struct err *e);
void vbd_note_disk(struct device *d, const struct disk_info *info);
void vbd_close_files(struct device *d);

/* --- vbd_adopt.c --- */
/* The disk of a device that goes on: held again, at once what the kernel has of it, and the rest
 * when its path is open. -errno: dom0 lacked something, nothing was changed. */
int vbd_adopt(struct device *d);

/* --- vbd_user.c --- */
int vbd_user_open(struct device *d, struct err *e);
int vbd_user_offer(const struct device *d);
void vbd_user_rings(struct device *d);
int vbd_user_attach(struct device *d, struct backend_client *c, uint64_t number, bool again,
		    struct err *e);
int vbd_user_reopen(struct device *d, bool again, struct err *e);

#endif
