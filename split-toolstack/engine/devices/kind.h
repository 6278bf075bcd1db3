/* SPDX-License-Identifier: BSD-3-Clause */
/* The differences between kinds of devices: one row for each (differences in their
 * configuration: config/device_config_ops.h). NULL functions do nothing. */
#ifndef CHAOS_ENGINE_DEVICES_KIND_H
#define CHAOS_ENGINE_DEVICES_KIND_H

#include "split-toolstack/engine/devices/device.h"

struct backend_client;

struct device_kind_ops {
	const char *driver; /* driver in dom0's kernel: "xen-netback" */

	/* --- admission --- */

	/* Sets what the configuration leaves open: id, address. `also_leaving`: the id must not
	 * be that of a device that is being removed from the VM's domain. */
	void (*number)(struct vm *vm, struct device_config *d, bool also_leaving);
	/* Checks that everything needed in dom0 exists, and is not used by another VM. -errno
	 * with the reason; -EAGAIN: possible when a device that is being removed is gone. */
	int (*admit)(struct engine *en, const struct vm *self, const struct device_config *d,
		     struct err *e);
	/* Checks its file in the same way; `other`: n further devices of the VM. Records the
	 * identity of the file. */
	int (*admit_file)(struct vm *vm, struct device_config *d, const struct device_config *other,
			  uint32_t n, const struct file *file, struct err *e);
	/* Records the resources that only this VM may use (reservations.c). -ENOMEM. */
	int (*reserve)(struct vm *vm, const struct device_config *d);

	/* --- shells --- */

	/* Number of such devices in a flavor; NULL: flavors have none. */
	uint32_t (*in_flavor)(const struct pool_flavor *f);
	/* Whether the shell's device number `i` can become this one. NULL: shells have no such
	 * devices; they are added at the claim. */
	bool (*fits_shell)(const struct pool_flavor *f, const struct device_config *d, uint32_t i);
	void (*of_shell)(const struct pool_flavor *f, const uint8_t uuid[16], uint32_t i,
			 struct device_config *out);
	/* Makes a shell's device that of the VM, with the VM's configuration. */
	int (*claim)(struct device *d, struct vm *vm, const struct device_config *c, struct err *e);

	/* --- a device --- */

	/* Gives it its file: keeps it open, and makes a loop device if the backend needs a block
	 * device. */
	int (*take_file)(struct device *d, struct file *file, struct err *e);
	void (*prepare)(struct device *d); /* before its nodes are made */
	int (*make_nodes)(struct device *d);
	bool (*is_set_up)(
		const struct device *d); /* whether it is complete in dom0, besides its backend */
	void (*hide)(struct device *d);	 /* its nodes will be removed now */
	/* Fills its slot of the device page: all except index, rings and port. */
	void (*page)(const struct device *d, struct noxs_device *to);
	void (*close_files)(struct device *d);
	/* An interface with its name exists now; events about that were lost. */
	void (*netdev)(struct device *d, int ifindex, const char *name);
	void (*look_again)(struct device *d);
	void (*pin)(struct device *d); /* devices_pin() */
	/* For an adopted VM: finds what dom0 has of it. -errno: a resource was missing. */
	int (*adopt)(struct device *d);

	/* --- with chaos-backend --- */

	int (*user_open)(struct device *d, struct err *e); /* makes the file for the process */
	int (*user_offer)(const struct device *d);	   /* writes the features into its nodes */
	void (*user_started)(struct device *d);		   /* the process has it now */
	void (*user_rings)(struct device *d); /* reads the rings from the frontend's nodes */
	/* `again`: another process has served these rings before. */
	int (*user_attach)(struct device *d, struct backend_client *c, uint64_t number, bool again,
			   struct err *e);
	/* Opens the file that an earlier daemon had given to the process again, and attaches it. */
	int (*user_reopen)(struct device *d, bool again, struct err *e);
};

#define DEVICE_KIND_OPS(name, NUMBER) extern const struct device_kind_ops name##_ops;
DEVICE_KINDS_ALL(DEVICE_KIND_OPS)

/* --- vif_link.c --- */
/* Puts the MTU of its bridge into the device page, which is written before the interface exists. */
void vif_foresee_mtu(struct device *d);
/* Its address stays at its port of the bridge. */
void vif_pin(struct device *d);
/* An interface in dom0 with its name exists now. */
void vif_netdev(struct device *d, int ifindex, const char *name);
/* Its interface is set up, and its backend is notified; with `tell_mtu` its frontend, too. */
void vif_plugged(struct device *d, uint32_t tell_mtu);
int vif_claim(struct device *d, struct vm *vm, const struct device_config *c, struct err *e);

/* --- vif_admit.c --- */
/* Generates a MAC in Xen's own range: the same at each start of the VM; `more` gives further
 * ones. */
void vif_make_mac(uint8_t mac[6], const uint8_t uuid[16], uint32_t devid, uint32_t more);
void vif_number(struct vm *vm, struct device_config *d, bool also_leaving);
int vif_admit(struct engine *en, const struct vm *self, const struct device_config *d,
	      struct err *e);
int vif_reserve(struct vm *vm, const struct device_config *d);

/* --- vif_netns.c: with netns= --- */
/* Sets MAC and MTU from the peer, if the configuration leaves them open and the peer exists. */
void vif_netns_foresee(struct vif_config *v);
/* Checks that the namespace and the peer exist and are not used by another VM. */
int vif_netns_admit(struct engine *en, const struct vm *self, const struct vif_config *v,
		    struct err *e);
/* Moves the interface into the namespace and connects it with the peer. On failure the device is
 * not broken. */
int vif_netns_set(struct device *d, struct err *e);
/* An interface with its name was seen in dom0's own namespace. True if it had been moved and its
 * namespace has ended. */
bool vif_netns_came_back(struct device *d);
int vif_netns_adopt(struct device *d);
/* Ends the connection with the peer. */
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
/* Takes over the disk of an adopted device: at once what the kernel has of it, the rest when its
 * path has been opened. -errno: a resource was missing, nothing was changed. */
int vbd_adopt(struct device *d);

/* --- vbd_user.c --- */
int vbd_user_open(struct device *d, struct err *e);
int vbd_user_offer(const struct device *d);
void vbd_user_rings(struct device *d);
int vbd_user_attach(struct device *d, struct backend_client *c, uint64_t number, bool again,
		    struct err *e);
int vbd_user_reopen(struct device *d, bool again, struct err *e);

#endif
